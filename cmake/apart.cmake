# Libraries of their own beside libasynchat, such as libasynchat-openssl. SPDX-License-Identifier: BSD-3-Clause
#
# asynchat_add_apart(NAME SOVERSION N SOURCE...): makes the shared and the static library of the objects
# asynchat_NAME_objects. The shared one has the sources as well. Sets NAME_libraries: both, or one of them, as libasynchat
# is built. The caller says what else they are linked with. In the build the library finds libasynchat beside itself,
# without a path, so that the same files give the same library in every folder.
function(asynchat_add_apart name)
    set(shared asynchat_${name})
    set(static asynchat_${name}_static)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" SOVERSION "")
    add_library(${shared} SHARED $<TARGET_OBJECTS:${shared}_objects> ${arg_UNPARSED_ARGUMENTS})
    set_target_properties(${shared} PROPERTIES
        OUTPUT_NAME asynchat-${name}
        EXPORT_NAME ${name}
        BUILD_RPATH_USE_ORIGIN ON
        VERSION ${PROJECT_VERSION}
        SOVERSION ${arg_SOVERSION})
    target_link_options(${shared} PRIVATE -Wl,--as-needed)
    target_link_libraries(${shared} PUBLIC asynchat)
    asynchat_export(${shared} cmake/libasynchat-${name}.map)

    add_library(${static} STATIC $<TARGET_OBJECTS:${shared}_objects>)
    set_target_properties(${static} PROPERTIES
        OUTPUT_NAME asynchat-${name}
        EXPORT_NAME ${name}_static)
    target_link_libraries(${static} PUBLIC asynchat_static)

    # Shared and static as libasynchat is.
    list(TRANSFORM libraries REPLACE "^asynchat" "${shared}" OUTPUT_VARIABLE built)
    foreach(library ${shared} ${static})
        if(NOT library IN_LIST built)
            set_target_properties(${library} PROPERTIES EXCLUDE_FROM_ALL ON)
        endif()
    endforeach()
    list(GET built 0 preferred)
    add_library(asynchat::${name} ALIAS ${preferred})
    add_library(asynchat::${name}_static ALIAS ${static})
    set(${name}_libraries ${built} PARENT_SCOPE)
endfunction()
