// The command line of `noroshi ship`.
#pragma once

namespace noroshi::ship {

// argv[0] is "ship". Prints help and errors itself; returns the exit
// code.
[[nodiscard]] int ship_main(int argc, char** argv);

}  // namespace noroshi::ship
