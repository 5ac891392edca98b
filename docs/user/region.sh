#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Send a file through the region of this server: region.sh FILE > ANSWER
set -eu
exec 3<> "${PORT:-/dev/virtio-ports/org.fpga-nova.region.0}"
size=$(wc -c < "$1")
{
    # printf writes bytes by their octal numbers
    printf "$(printf '\\%03o\\%03o\\%03o\\%03o' $((size >> 24)) $((size >> 16 & 255)) $((size >> 8 & 255)) $((size & 255)))"
    cat "$1"
} >&3
# dd reads only the bytes that it is told to; other tools read ahead
answer=$((0x$(dd bs=1 count=4 <&3 2> /dev/null | od -An -tx1 | tr -d ' \n')))
dd bs=1 count="$answer" <&3 2> /dev/null
