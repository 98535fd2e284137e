#!/bin/sh
# Stands in for a C compiler and an archiver where code is only checked: nothing is linked, so nothing need be compiled. The
# library that a build script looks for is there, and empty.
for word; do
    case $word in
        -[Oo][Uu][Tt]:*) : >"${word#*:}" ;;
        *.a | *.lib) : >"$word" ;;
    esac
done
