# What `cmake --install` installs, and where. Component runtime is needed to run a program, component dev to build one;
# openssl-runtime and openssl-dev are the same for libasynchat-openssl.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/asynchat)

install(TARGETS ${libraries} asynchat_framer EXPORT asynchatTargets
    LIBRARY COMPONENT runtime NAMELINK_COMPONENT dev
    ARCHIVE COMPONENT dev)
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev PATTERN tls.h EXCLUDE)

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

if(openssl_libraries)
    install(TARGETS ${openssl_libraries} EXPORT asynchat-opensslTargets
        LIBRARY COMPONENT openssl-runtime NAMELINK_COMPONENT openssl-dev
        ARCHIVE COMPONENT openssl-dev)
    install(FILES include/asynchat/tls.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/asynchat COMPONENT openssl-dev)
    install(EXPORT asynchat-opensslTargets NAMESPACE asynchat:: DESTINATION ${package_dir} COMPONENT openssl-dev)
    asynchat_install_pc(asynchat-openssl openssl-dev)
endif()
