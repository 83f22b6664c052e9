# An overlay port that builds the source tree around it: vcpkg install asynchat --overlay-ports=cmake/vcpkg
# With libasynchat-openssl and libasynchat-uring: vcpkg install 'asynchat[openssl,uring]' --overlay-ports=cmake/vcpkg
# SPDX-License-Identifier: BSD-3-Clause
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

vcpkg_check_features(OUT_FEATURE_OPTIONS feature_options
    FEATURES
        openssl ASYNCHAT_OPENSSL
        uring ASYNCHAT_URING)

# BUILD_SHARED_LIBS comes from the triplet.
vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS
        ${feature_options}
        -DASYNCHAT_BUILD_DOCS=OFF
        -DASYNCHAT_BUILD_EXAMPLES=OFF
        -DASYNCHAT_BUILD_TESTS=OFF
        -DASYNCHAT_INSTALL=ON)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/asynchat)
vcpkg_fixup_pkgconfig()

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include" "${CURRENT_PACKAGES_DIR}/debug/share")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
