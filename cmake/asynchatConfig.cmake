# find_package(asynchat): the targets asynchat::asynchat and asynchat::asynchat_static, the second if it is installed.
# find_package(asynchat COMPONENTS openssl): asynchat::openssl and asynchat::openssl_static as well.
# find_package(asynchat COMPONENTS uring): asynchat::uring and asynchat::uring_static as well.
# find_package(asynchat COMPONENTS testing): asynchat::testing as well.
include("${CMAKE_CURRENT_LIST_DIR}/libevent.cmake")
if(NOT TARGET asynchat::libevent_core)
    set(asynchat_FOUND FALSE)
    set(asynchat_NOT_FOUND_MESSAGE "asynchat needs libevent's core library, which is missing (Debian: libevent-dev)")
    return()
endif()

# What is wrong with a component is said only if it is required.
foreach(component IN LISTS asynchat_FIND_COMPONENTS)
    set(asynchat_missing)
    if(component STREQUAL "testing")
        # It comes with the headers.
    elseif(NOT component MATCHES "^(openssl|uring)$")
        set(asynchat_missing "asynchat has no component ${component}; it has openssl, testing and uring")
    elseif(NOT EXISTS "${CMAKE_CURRENT_LIST_DIR}/asynchat-${component}Targets.cmake")
        set(asynchat_missing
            "asynchat's component ${component} is not installed (Debian: libasynchat-${component}-dev)")
    elseif(component STREQUAL "openssl")
        find_package(OpenSSL 3.0 QUIET)
        if(NOT OPENSSL_FOUND)
            set(asynchat_missing
                "asynchat's component openssl needs OpenSSL 3.0 or later, which is missing (Debian: libssl-dev)")
        endif()
    else()
        include("${CMAKE_CURRENT_LIST_DIR}/liburing.cmake")
        if(NOT TARGET asynchat::liburing)
            set(asynchat_missing
                "asynchat's component uring needs liburing 2.3 or later, which is missing (Debian: liburing-dev)")
        endif()
    endif()
    if(NOT asynchat_missing)
        set(asynchat_${component}_FOUND TRUE)
    else()
        set(asynchat_${component}_FOUND FALSE)
        if(asynchat_FIND_REQUIRED_${component})
            set(asynchat_FOUND FALSE)
            set(asynchat_NOT_FOUND_MESSAGE "${asynchat_missing}")
            return()
        endif()
    endif()
endforeach()

include("${CMAKE_CURRENT_LIST_DIR}/asynchatTargets.cmake")
if(NOT TARGET asynchat::asynchat) # only the static library was installed
    add_library(asynchat::asynchat ALIAS asynchat::asynchat_static)
endif()
foreach(component openssl uring)
    if(asynchat_${component}_FOUND)
        include("${CMAKE_CURRENT_LIST_DIR}/asynchat-${component}Targets.cmake")
        if(NOT TARGET asynchat::${component})
            add_library(asynchat::${component} ALIAS asynchat::${component}_static)
        endif()
    endif()
endforeach()
if(asynchat_testing_FOUND)
    include("${CMAKE_CURRENT_LIST_DIR}/asynchat-testingTargets.cmake")
endif()
