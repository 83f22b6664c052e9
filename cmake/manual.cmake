# The manual: man pages from the headers, which need Python, and HTML from the man pages, which needs mandoc as well.
# ASYNCHAT_BUILD_DOCS turns it on or off; AUTO builds what can be built. SPDX-License-Identifier: BSD-3-Clause
find_package(Python3 COMPONENTS Interpreter QUIET)
find_program(ASYNCHAT_MANDOC mandoc DOC "Converts the manual to HTML")
mark_as_advanced(ASYNCHAT_MANDOC)
if(ASYNCHAT_BUILD_DOCS STREQUAL "AUTO")
    set(build_pages ${Python3_Interpreter_FOUND})
    set(build_html ${ASYNCHAT_MANDOC})
elseif(ASYNCHAT_BUILD_DOCS)
    if(NOT Python3_Interpreter_FOUND OR NOT ASYNCHAT_MANDOC)
        message(FATAL_ERROR "ASYNCHAT_BUILD_DOCS needs python3 and mandoc (Debian: python3, mandoc)")
    endif()
    set(build_pages TRUE)
    set(build_html TRUE)
endif()
if(NOT build_pages)
    return()
endif()

set(manual ${PROJECT_SOURCE_DIR}/cmake/manual)
set(man ${PROJECT_BINARY_DIR}/man)
set(html ${PROJECT_BINARY_DIR}/html)
file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/asynchat/*.h)
file(GLOB recipes CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/cookbook/*.c)
add_custom_command(OUTPUT ${man}/stamp
    COMMAND ${Python3_EXECUTABLE} -B -X utf8 ${manual}/mdoc.py ${PROJECT_SOURCE_DIR} ${man}
    COMMAND ${CMAKE_COMMAND} -E touch ${man}/stamp
    DEPENDS ${headers} ${recipes} include/asynchat.h README.md ${manual}/mdoc.py ${manual}/text.py
        ${manual}/headers.py ${manual}/asynchat.7.in ${manual}/asynchat-cookbook.7.in ${manual}/limits.md
    COMMENT "Writing the manual")
set(stamps ${man}/stamp)
if(build_html)
    add_custom_command(OUTPUT ${html}.stamp
        COMMAND ${Python3_EXECUTABLE} -B -X utf8 ${manual}/to_html.py ${ASYNCHAT_MANDOC} ${man} ${html}
        COMMAND ${CMAKE_COMMAND} -E touch ${html}.stamp
        DEPENDS ${man}/stamp ${manual}/to_html.py ${manual}/style.css
        COMMENT "Writing the manual as HTML")
    list(APPEND stamps ${html}.stamp)
endif()
add_custom_target(docs ALL DEPENDS ${stamps})

if(ASYNCHAT_INSTALL)
    install(DIRECTORY ${man}/man3 ${man}/man7 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT dev
        PATTERN asynchat_tls* EXCLUDE PATTERN asynchat_uring* EXCLUDE)
    if(openssl_libraries)
        install(DIRECTORY ${man}/man3 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT openssl-dev
            FILES_MATCHING PATTERN asynchat_tls*)
    endif()
    if(uring_libraries)
        install(DIRECTORY ${man}/man3 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT uring-dev
            FILES_MATCHING PATTERN asynchat_uring*)
    endif()
    if(build_html)
        install(DIRECTORY ${html} DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT doc)
    endif()
endif()
