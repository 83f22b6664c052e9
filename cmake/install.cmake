# What `cmake --install` installs, and where. Component runtime is needed to run a program, component dev to build one;
# openssl-runtime and openssl-dev are the same for libasynchat-openssl, uring-runtime and uring-dev for libasynchat-uring.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/asynchat)

install(TARGETS ${libraries} asynchat_framer EXPORT asynchatTargets
    LIBRARY COMPONENT runtime NAMELINK_COMPONENT dev
    ARCHIVE COMPONENT dev)
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev PATTERN tls.h EXCLUDE
    PATTERN uring.h EXCLUDE)

# For CMake: find_package(asynchat).
write_basic_package_version_file(${PROJECT_BINARY_DIR}/asynchatConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT asynchatTargets NAMESPACE asynchat:: DESTINATION ${package_dir} COMPONENT dev)
install(FILES
    cmake/asynchatConfig.cmake
    cmake/libevent.cmake
    ${PROJECT_BINARY_DIR}/asynchatConfigVersion.cmake
    DESTINATION ${package_dir} COMPONENT dev)

# asynchat_install_pc(NAME COMPONENT): for pkg-config, from NAME.pc.in. The file is written during the installation,
# because `cmake --install --prefix` may name another prefix than the build did. The two folders stay relative to the
# prefix, unless they were given as absolute paths.
function(asynchat_install_pc name component)
    set(libdir "\\\${prefix}")
    set(includedir "\\\${prefix}")
    cmake_path(APPEND libdir "${CMAKE_INSTALL_LIBDIR}")
    cmake_path(APPEND includedir "${CMAKE_INSTALL_INCLUDEDIR}")
    install(CODE "
        set(libdir \"${libdir}\")
        set(includedir \"${includedir}\")
        set(PROJECT_DESCRIPTION \"${PROJECT_DESCRIPTION}\")
        set(PROJECT_VERSION \"${PROJECT_VERSION}\")
        configure_file(\"${PROJECT_SOURCE_DIR}/${name}.pc.in\" \"${PROJECT_BINARY_DIR}/${name}.pc\" @ONLY)"
        COMPONENT ${component})
    install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT ${component})
endfunction()
asynchat_install_pc(asynchat dev)

install(TARGETS asynchat_testing EXPORT asynchat-testingTargets ARCHIVE COMPONENT dev)
install(EXPORT asynchat-testingTargets NAMESPACE asynchat:: DESTINATION ${package_dir} COMPONENT dev)
asynchat_install_pc(asynchat-testing dev)

# asynchat_install_apart(NAME HEADER TARGET...): a shared or static library of its own, of the component NAME.
function(asynchat_install_apart name header)
    install(TARGETS ${ARGN} EXPORT asynchat-${name}Targets
        LIBRARY COMPONENT ${name}-runtime NAMELINK_COMPONENT ${name}-dev
        ARCHIVE COMPONENT ${name}-dev)
    install(FILES include/asynchat/${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/asynchat COMPONENT ${name}-dev)
    install(EXPORT asynchat-${name}Targets NAMESPACE asynchat:: DESTINATION ${package_dir} COMPONENT ${name}-dev)
    asynchat_install_pc(asynchat-${name} ${name}-dev)
endfunction()
if(openssl_libraries)
    asynchat_install_apart(openssl tls.h ${openssl_libraries})
endif()
if(uring_libraries)
    asynchat_install_apart(uring uring.h ${uring_libraries})
    install(FILES cmake/liburing.cmake DESTINATION ${package_dir} COMPONENT uring-dev)
endif()
