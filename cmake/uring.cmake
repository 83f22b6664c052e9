# libasynchat-uring: batches by io_uring. It is a library of its own and uses public functions of libasynchat alone, so
# that programs without it need no liburing. SPDX-License-Identifier: BSD-3-Clause
#
# ASYNCHAT_URING turns it on or off; AUTO builds it if liburing is there. Afterwards uring_libraries has its targets, or
# is empty.
set(uring_libraries)
if(NOT ASYNCHAT_URING)
    return()
endif()
include(cmake/liburing.cmake)
if(NOT TARGET asynchat::liburing AND NOT ASYNCHAT_URING STREQUAL "AUTO")
    message(FATAL_ERROR "ASYNCHAT_URING needs liburing 2.3 or later (Debian: liburing-dev)")
elseif(NOT TARGET asynchat::liburing)
    message(STATUS "No libasynchat-uring: it needs liburing 2.3 or later")
    return()
endif()

set(uring ring uring)
list(TRANSFORM uring REPLACE "(.+)" "src/uring/\\1.c" OUTPUT_VARIABLE uring_sources)
add_library(asynchat_uring_objects OBJECT ${uring_sources})
target_link_libraries(asynchat_uring_objects PRIVATE asynchat::libevent_core asynchat::liburing)
asynchat_compile(asynchat_uring_objects)

# liburing is private: the header has nothing of it.
asynchat_add_apart(uring SOVERSION 0)
target_link_libraries(asynchat_uring PRIVATE asynchat::liburing)
target_link_libraries(asynchat_uring_static PRIVATE asynchat::liburing)
