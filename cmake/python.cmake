# ASYNCHAT_PYTHON: a Python that still has asynchat (3.11 and older), for the tests that compare with it; or -NOTFOUND.
function(asynchat_python_has_asynchat result program)
    execute_process(COMMAND ${program} -W ignore -c "import asynchat"
        RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
    if(NOT status EQUAL 0)
        set(${result} FALSE PARENT_SCOPE)
    endif()
endfunction()
find_program(ASYNCHAT_PYTHON NAMES python3 python3.11 python3.10 python3.9 PATHS /usr/bin
    DOC "A Python that has asynchat" VALIDATOR asynchat_python_has_asynchat)
