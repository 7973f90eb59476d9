// Everything the configuration is made of, read into one document, in this order:
//
//   -c FILE                   in ECS: what the agent generated
//   NOROSHI_CONFIG            inline text, so that a task definition alone can configure the router
//   -i -F -o -p, other flags  of the command line; the [SERVICE] options among them win
#pragma once

#include "app/cli/verbs.h"
#include "config/diagnostics.h"
#include "config/document.h"

namespace noroshi {

// Problems go to `diagnostics`; what could be read is in the document all the same. A document
// without files means that there was nothing to read. May be called again (reload).
[[nodiscard]] Document read_configuration(const RunArguments& arguments, Diagnostics& diagnostics);

}  // namespace noroshi
