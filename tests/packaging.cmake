# The tests of what is installed, of the manual, and of the order of the layers. A sanitizer adds nothing to them: they are plain.
# What uses what is read from the object files. Link-time optimization writes these in a language of its own, and a unity
# build has one for many files.
if(NOT CMAKE_INTERPROCEDURAL_OPTIMIZATION AND NOT CMAKE_UNITY_BUILD)
    list(JOIN folders "," all_folders)
    set(apart_objects)
    foreach(library openssl uring)
        if(TARGET asynchat_${library}_objects)
            list(APPEND apart_objects $<TARGET_OBJECTS:asynchat_${library}_objects>)
        endif()
    endforeach()
    add_test(NAME layers COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/check_layers ${CMAKE_NM} ${all_folders}
        $<TARGET_OBJECTS:asynchat_objects> $<TARGET_OBJECTS:asynchat_testing> ${apart_objects} COMMAND_EXPAND_LISTS)
    set_tests_properties(layers PROPERTIES LABELS plain)
endif()
if(TARGET docs AND ASYNCHAT_MANDOC)
    add_test(NAME manual COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/manual ${PROJECT_BINARY_DIR}
        "$<$<BOOL:${ASYNCHAT_PYTHON}>:${ASYNCHAT_PYTHON}>")
    set_tests_properties(manual PROPERTIES LABELS plain)
endif()
if(ASYNCHAT_INSTALL AND NOT ASYNCHAT_SANITIZE AND NOT DEFINED BUILD_SHARED_LIBS)
    add_test(NAME consumer COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/consumer/run ${PROJECT_BINARY_DIR})
    add_test(NAME readme COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/readme ${PROJECT_BINARY_DIR})
    set_tests_properties(consumer readme PROPERTIES LABELS plain)
    # Both install, for which CMake writes into the build folder.
    set_tests_properties(consumer readme PROPERTIES RESOURCE_LOCK install)
endif()
