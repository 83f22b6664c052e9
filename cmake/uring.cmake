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

# liburing is private: the header has nothing of it. In the build the library finds libasynchat beside itself, without a
# path, so that the same files give the same library in every folder.
add_library(asynchat_uring SHARED $<TARGET_OBJECTS:asynchat_uring_objects>)
set_target_properties(asynchat_uring PROPERTIES
    OUTPUT_NAME asynchat-uring
    EXPORT_NAME uring
    BUILD_RPATH_USE_ORIGIN ON
    VERSION ${PROJECT_VERSION}
    SOVERSION 0)
target_link_options(asynchat_uring PRIVATE -Wl,--as-needed)
target_link_libraries(asynchat_uring PUBLIC asynchat PRIVATE asynchat::liburing)
asynchat_export(asynchat_uring cmake/libasynchat-uring.map)

add_library(asynchat_uring_static STATIC $<TARGET_OBJECTS:asynchat_uring_objects>)
set_target_properties(asynchat_uring_static PROPERTIES
    OUTPUT_NAME asynchat-uring
    EXPORT_NAME uring_static)
target_link_libraries(asynchat_uring_static PUBLIC asynchat_static PRIVATE asynchat::liburing)

# Shared and static as libasynchat is.
list(TRANSFORM libraries REPLACE "^asynchat" "asynchat_uring" OUTPUT_VARIABLE uring_libraries)
foreach(library asynchat_uring asynchat_uring_static)
    if(NOT library IN_LIST uring_libraries)
        set_target_properties(${library} PROPERTIES EXCLUDE_FROM_ALL ON)
    endif()
endforeach()
list(GET uring_libraries 0 uring_preferred)
add_library(asynchat::uring ALIAS ${uring_preferred})
add_library(asynchat::uring_static ALIAS asynchat_uring_static)
