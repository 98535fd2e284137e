#!/bin/sh
# By this cargo runs a program for Windows. What is set for the compiler is not meant for Wine.
unset LD_PRELOAD LD_LIBRARY_PATH
exec "$WINE" "$@"
