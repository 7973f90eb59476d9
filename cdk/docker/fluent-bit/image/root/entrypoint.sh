#!/bin/sh
# The default command, as in amazon/aws-for-fluent-bit: exec, so that the router is process 1 and gets SIGTERM.
echo "noroshi $(cat /AWS_FOR_FLUENT_BIT_VERSION), in the place of AWS for Fluent Bit"
exec /fluent-bit/bin/fluent-bit -c /fluent-bit/etc/fluent-bit.conf
