# libasynchat-testing: tests of programs that use libasynchat. It is a static library of its own and uses public
# functions of libasynchat alone. SPDX-License-Identifier: BSD-3-Clause
set(testing_sources text status alloc fail world watch ask strike peer test expect run cuts faults)
list(TRANSFORM testing_sources REPLACE "(.+)" "src/testing/\\1.c")

# It brings the library that asynchat::asynchat stands for.
add_library(asynchat_testing STATIC ${testing_sources})
asynchat_compile(asynchat_testing)
set_target_properties(asynchat_testing PROPERTIES OUTPUT_NAME asynchat-testing EXPORT_NAME testing)
target_link_libraries(asynchat_testing PUBLIC ${preferred})
add_library(asynchat::testing ALIAS asynchat_testing)
if(NOT ASYNCHAT_INSTALL) # inside another project it is built if something is linked to it
    set_target_properties(asynchat_testing PROPERTIES EXCLUDE_FROM_ALL ON)
endif()
