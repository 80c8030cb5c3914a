# Helpers for cede's own targets. Nothing here reaches a parent project or a user of the library.

# cede_develop(TARGET): the settings of everything that is built here. Warnings belong to those who
# develop cede: a parent project gets none.
function(cede_develop target)
    set_target_properties(${target} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON
        C_EXTENSIONS OFF)
    if(top_level OR CEDE_WERROR)
        if(MSVC)
            target_compile_options(${target} PRIVATE /W4 $<$<BOOL:${CEDE_WERROR}>:/WX>)
        else()
            target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wundef -Wvla
                -Wwrite-strings -Wpointer-arith
                -Wstrict-prototypes -Wmissing-prototypes
                # A variable may have its type's name, which only clang tells from a real shadow.
                $<IF:$<C_COMPILER_ID:GNU>,-Wshadow=local,-Wshadow>
                $<$<BOOL:${CEDE_WERROR}>:-Werror>)
        endif()
    endif()
    if(CEDE_SANITIZE)
        string(REPLACE ";" "," list "${CEDE_SANITIZE}")
        target_compile_options(${target} PRIVATE -fsanitize=${list} -fno-sanitize-recover=all
            -fno-omit-frame-pointer)
        target_link_libraries(${target} PRIVATE -fsanitize=${list})
    endif()
endfunction()

# cede_system(TARGET): its sources use the system's own interface; with -std=c11 one has to ask. The
# value is empty so that a source may define it too.
function(cede_system target)
    if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
        target_compile_definitions(${target} PRIVATE "_GNU_SOURCE=")
        target_compile_options(${target} PRIVATE -pthread)
        target_link_libraries(${target} PRIVATE -pthread)
    endif()
endfunction()

# cede_program(TARGET SOURCE...): an executable that uses the library.
function(cede_program target)
    add_executable(${target} ${ARGN})
    target_link_libraries(${target} PRIVATE cede::cede)
    cede_develop(${target})
    cede_system(${target})
endfunction()
