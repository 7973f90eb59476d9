#pragma once

namespace noroshi::ship {

// The command line of `noroshi ship`: argv[0] is "ship". Prints help and errors itself; the exit
// code.
[[nodiscard]] int ship_main(int argc, char** argv);

}  // namespace noroshi::ship
