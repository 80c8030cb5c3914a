# Helpers for cede's own targets. Nothing here reaches a parent project or a user of the library.

# cede_harden(TARGET): what makes an exploit of a mistake harder. Fortified calls need an optimising
# build.
function(cede_harden target)
    if(MSVC)
        target_compile_options(${target} PRIVATE /sdl /guard:cf)
        target_link_options(${target} PRIVATE /guard:cf /CETCOMPAT)
        return()
    endif()
    set(options -fstack-protector-strong)
    if(NOT WIN32)
        list(APPEND options -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
        if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
            list(APPEND options -fcf-protection)
        endif()
        target_link_options(${target} PRIVATE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
        get_target_property(type ${target} TYPE)
        if(type STREQUAL "EXECUTABLE")
            list(APPEND options -fPIE)
            target_link_options(${target} PRIVATE -pie)
        endif()
    else()
        target_link_options(${target} PRIVATE -Wl,--dynamicbase -Wl,--nxcompat)
    endif()
    target_compile_options(${target} PRIVATE ${options})
endfunction()

# cede_develop(TARGET): the settings of everything that is built here. Warnings belong to those who
# develop cede: a parent project gets none.
function(cede_develop target)
    set_target_properties(${target} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON
        C_EXTENSIONS OFF)
    if(CMAKE_C_COMPILER_ID STREQUAL "MSVC")
        # <stdatomic.h> needs Visual Studio 2022 17.5 and this. getenv, fopen and the like are C.
        target_compile_options(${target} PRIVATE /experimental:c11atomics /utf-8)
        target_compile_definitions(${target} PRIVATE _CRT_SECURE_NO_WARNINGS)
    endif()
    if(top_level OR CEDE_WERROR)
        if(MSVC)
            # Of /W4 not: conditions that are constant (4127), what C11 has and C++ had not (4200
            # flexible arrays, 4201 unnamed unions, 4204 and 4221 initialisers), a variable with the
            # name of a type (4459), padding that was asked for (4324).
            target_compile_options(${target} PRIVATE /W4 /wd4127 /wd4200 /wd4201 /wd4204 /wd4221
                /wd4324 /wd4459 $<$<BOOL:${CEDE_WERROR}>:/WX>)
        else()
            target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wundef -Wvla
                -Wwrite-strings -Wpointer-arith
                -Wstrict-prototypes -Wmissing-prototypes
                # A variable may have its type's name, which only clang tells from a real shadow.
                $<IF:$<C_COMPILER_ID:GNU>,-Wshadow=local,-Wshadow>
                $<$<BOOL:${CEDE_WERROR}>:-Werror>)
        endif()
    endif()
    if(CEDE_HARDENED)
        cede_harden(${target})
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
    elseif(WIN32)
        target_compile_definitions(${target} PRIVATE
            _WIN32_WINNT=0x0A00 WIN32_LEAN_AND_MEAN= NOMINMAX=)
    endif()
endfunction()

# cede_program(TARGET SOURCE...): an executable that uses the library.
function(cede_program target)
    add_executable(${target} ${ARGN})
    target_link_libraries(${target} PRIVATE cede::cede)
    cede_develop(${target})
    cede_system(${target})
    get_target_property(type cede TYPE)
    if(WIN32 AND type STREQUAL "SHARED_LIBRARY")
        # Beside the DLL, which has no other way to be found.
        set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
            ${PROJECT_BINARY_DIR}/src)
    endif()
endfunction()
