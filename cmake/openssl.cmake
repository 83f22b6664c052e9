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
# its functions for them. The library itself needs only those libraries that it uses.
#
# The library has a copy of table.c, which libasynchat does not export. The static library finds it in libasynchat.a.
asynchat_add_apart(openssl SOVERSION 0 src/base/table.c)
asynchat_compile(asynchat_openssl)
target_link_libraries(asynchat_openssl PUBLIC OpenSSL::SSL PRIVATE OpenSSL::Crypto)
target_link_libraries(asynchat_openssl_static PUBLIC OpenSSL::SSL OpenSSL::Crypto)
