# libasynchat-openssl: TLS, by OpenSSL. It is a library of its own and uses public functions of libasynchat alone, so
# that programs without TLS need no OpenSSL. SPDX-License-Identifier: BSD-3-Clause
#
# ASYNCHAT_OPENSSL turns it on or off; AUTO builds it if OpenSSL is there. Afterwards openssl_libraries has its targets,
# or is empty.
set(openssl_libraries)
if(NOT ASYNCHAT_OPENSSL)
    return()
endif()
find_package(OpenSSL 3.0 QUIET)
if(NOT OPENSSL_FOUND AND NOT ASYNCHAT_OPENSSL STREQUAL "AUTO")
    message(FATAL_ERROR "ASYNCHAT_OPENSSL needs OpenSSL 3.0 or later (Debian: libssl-dev)")
elseif(NOT OPENSSL_FOUND)
    message(STATUS "No libasynchat-openssl: it needs OpenSSL 3.0 or later")
    return()
endif()

set(openssl fault options wire budget sessions names share credentials version context shake codec channel)
list(TRANSFORM openssl REPLACE "(.+)" "src/tls/\\1.c" OUTPUT_VARIABLE openssl_sources)
add_library(asynchat_openssl_objects OBJECT ${openssl_sources})
target_link_libraries(asynchat_openssl_objects PRIVATE asynchat::libevent_core OpenSSL::SSL)
asynchat_compile(asynchat_openssl_objects)

# OpenSSL::SSL is public, as libevent's core is for asynchat: the header has types of OpenSSL, and a program may call
# its functions for them. The library itself needs only those libraries that it uses. In the build it finds libasynchat
# beside itself, without a path, so that the same files give the same library in every folder.
#
# The library has a copy of table.c, which libasynchat does not export. The static library finds it in libasynchat.a.
add_library(asynchat_openssl SHARED $<TARGET_OBJECTS:asynchat_openssl_objects> src/base/table.c)
asynchat_compile(asynchat_openssl)
set_target_properties(asynchat_openssl PROPERTIES
    OUTPUT_NAME asynchat-openssl
    EXPORT_NAME openssl
    BUILD_RPATH_USE_ORIGIN ON
    VERSION ${PROJECT_VERSION}
    SOVERSION 0)
target_link_options(asynchat_openssl PRIVATE -Wl,--as-needed)
target_link_libraries(asynchat_openssl PUBLIC asynchat OpenSSL::SSL PRIVATE OpenSSL::Crypto)
asynchat_export(asynchat_openssl cmake/libasynchat-openssl.map)

add_library(asynchat_openssl_static STATIC $<TARGET_OBJECTS:asynchat_openssl_objects>)
set_target_properties(asynchat_openssl_static PROPERTIES
    OUTPUT_NAME asynchat-openssl
    EXPORT_NAME openssl_static)
target_link_libraries(asynchat_openssl_static PUBLIC asynchat_static OpenSSL::SSL OpenSSL::Crypto)

# Shared and static as libasynchat is.
list(TRANSFORM libraries REPLACE "^asynchat" "asynchat_openssl" OUTPUT_VARIABLE openssl_libraries)
foreach(library asynchat_openssl asynchat_openssl_static)
    if(NOT library IN_LIST openssl_libraries)
        set_target_properties(${library} PROPERTIES EXCLUDE_FROM_ALL ON)
    endif()
endforeach()
list(GET openssl_libraries 0 openssl_preferred)
add_library(asynchat::openssl ALIAS ${openssl_preferred})
add_library(asynchat::openssl_static ALIAS asynchat_openssl_static)
