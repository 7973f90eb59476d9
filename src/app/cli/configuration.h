// Everything the configuration is made of, read into one document, in this order:
//
//   -c FILE                   in ECS: what the agent generated
//   aws_fluent_bit_init_…     files and objects of S3, as the init image of aws-for-fluent-bit
//   NOROSHI_CONFIG_S3         an object of S3, read with the task role
//   NOROSHI_CONFIG            inline text, so that a task definition alone can configure the router
//   -i -F -o -p, other flags  of the command line; the [SERVICE] options among them win
#pragma once

#include "app/cli/verbs.h"
#include "config/diagnostics.h"
#include "config/document.h"

namespace noroshi {

// When a request must leave before all is known (S3, the task's metadata), the sockets of -c are
// opened first, with `open_sockets_early`: whoever builds the pipeline calls
// EarlySockets::close_rest() after it.
//
// Problems go to `diagnostics`; what could be read is in the document all the same. A document
// without files means that there was nothing to read. May be called again (reload). Blocks for the
// network's sake only where a variable asks for it: see task_environment.h and init_files.h.
[[nodiscard]] Document read_configuration(const RunArguments& arguments, Diagnostics& diagnostics,
                                          bool open_sockets_early = false);

}  // namespace noroshi
