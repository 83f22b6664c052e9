# The examples, run as by a user. Those that talk to CPython's asynchat need a Python that still has it.
find_package(Python3 COMPONENTS Interpreter)
if(TARGET echo_server AND Python3_Interpreter_FOUND)
    add_test(NAME examples COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/test_examples.py
        $<TARGET_FILE_DIR:echo_server> "$<$<BOOL:${ASYNCHAT_PYTHON}>:${ASYNCHAT_PYTHON}>")
    if(ASYNCHAT_SANITIZE)
        set_tests_properties(examples PROPERTIES ENVIRONMENT ECHO_RUNS=10)
    endif()
endif()
if(TARGET httpd AND Python3_Interpreter_FOUND)
    add_test(NAME httpd COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/httpd/test_httpd.py
        $<TARGET_FILE:httpd>)
    if(TARGET asynchat::uring)
        add_test(NAME httpd_uring COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/httpd/test_httpd.py
            $<TARGET_FILE:httpd>)
        set_tests_properties(httpd_uring PROPERTIES ENVIRONMENT HTTPD_RING=1 SKIP_RETURN_CODE 77)
    endif()
endif()
if(TARGET kv AND Python3_Interpreter_FOUND)
    add_test(NAME kv COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/kv/compare.py $<TARGET_FILE:kv>)
    add_test(NAME kv_behaviour COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/kv/behaviour.py
        $<TARGET_FILE:kv>)
endif()
if(TARGET smtpd AND Python3_Interpreter_FOUND)
    add_test(NAME smtpd COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/smtpd/test_smtpd.py
        $<TARGET_FILE:smtpd>)
    if(NOT ASYNCHAT_SANITIZE) # its library has to come first
        add_library(smtpd_failing MODULE smtpd/failing.c)
        target_link_libraries(smtpd_failing PRIVATE ${CMAKE_DL_LIBS})
        set_tests_properties(smtpd PROPERTIES ENVIRONMENT SMTPD_FAILING=$<TARGET_FILE:smtpd_failing>)
    endif()
endif()
if(TARGET asynchat::uring)
    foreach(test kv_behaviour smtpd)
        if(TEST ${test})
            set_property(TEST ${test} APPEND PROPERTY ENVIRONMENT EXAMPLE_RING=1)
        endif()
    endforeach()
endif()
