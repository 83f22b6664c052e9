# Finds liburing and makes the target asynchat::liburing. Both the build and users of the static library need this,
# because liburing has no CMake package. The name has a namespace so that an exported target looks it up again. Version
# 2.3 is the first one with the flag that is looked for.
if(NOT TARGET asynchat::liburing)
    find_path(ASYNCHAT_LIBURING_INCLUDE_DIR liburing.h)
    find_library(ASYNCHAT_LIBURING_LIBRARY uring)
    mark_as_advanced(ASYNCHAT_LIBURING_INCLUDE_DIR ASYNCHAT_LIBURING_LIBRARY)
    set(asynchat_liburing_flag)
    if(ASYNCHAT_LIBURING_INCLUDE_DIR AND EXISTS "${ASYNCHAT_LIBURING_INCLUDE_DIR}/liburing/io_uring.h")
        file(STRINGS "${ASYNCHAT_LIBURING_INCLUDE_DIR}/liburing/io_uring.h" asynchat_liburing_flag
            REGEX "define IORING_SETUP_DEFER_TASKRUN" LIMIT_COUNT 1)
    endif()
    if(asynchat_liburing_flag AND ASYNCHAT_LIBURING_LIBRARY)
        add_library(asynchat::liburing UNKNOWN IMPORTED)
        set_target_properties(asynchat::liburing PROPERTIES
            IMPORTED_LOCATION "${ASYNCHAT_LIBURING_LIBRARY}"
            INTERFACE_INCLUDE_DIRECTORIES "${ASYNCHAT_LIBURING_INCLUDE_DIR}")
    endif()
endif()
