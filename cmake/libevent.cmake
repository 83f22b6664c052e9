# Finds libevent's core and makes the target asynchat::libevent_core. Both the build and users of the library need this,
# because Debian's libevent has no CMake package. The name has a namespace so that an exported target looks it up again.
if(NOT TARGET asynchat::libevent_core)
    find_path(ASYNCHAT_LIBEVENT_INCLUDE_DIR event2/bufferevent.h)
    find_library(ASYNCHAT_LIBEVENT_CORE_LIBRARY event_core)
    mark_as_advanced(ASYNCHAT_LIBEVENT_INCLUDE_DIR ASYNCHAT_LIBEVENT_CORE_LIBRARY)
    if(ASYNCHAT_LIBEVENT_INCLUDE_DIR AND ASYNCHAT_LIBEVENT_CORE_LIBRARY)
        add_library(asynchat::libevent_core UNKNOWN IMPORTED)
        set_target_properties(asynchat::libevent_core PROPERTIES
            IMPORTED_LOCATION "${ASYNCHAT_LIBEVENT_CORE_LIBRARY}"
            INTERFACE_INCLUDE_DIRECTORIES "${ASYNCHAT_LIBEVENT_INCLUDE_DIR}")
    elseif(NOT CMAKE_FIND_PACKAGE_NAME)
        message(FATAL_ERROR "libevent's core library is missing (Debian: libevent-dev)")
    endif()
endif()
