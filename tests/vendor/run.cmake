# Runs one of the tests in this directory: cmake -DCASE=... -P run.cmake. SOURCE is cede's, WORK a
# directory for all of them, VERSION what is expected; compilers and toolchain file are the build's,
# and what is made for another system is run by EMULATOR. BUILT is where the static library has been
# built already, if it has.
cmake_minimum_required(VERSION 3.16)

set(here ${CMAKE_CURRENT_LIST_DIR})
set(work ${WORK}/${CASE})
set(strict -Wall -Wextra -Wpedantic -Wconversion -Werror)
set(expected "four consumers")
set(toolchain "")
if(TOOLCHAIN)
    set(toolchain -DCMAKE_TOOLCHAIN_FILE=${TOOLCHAIN})
endif()

function(run)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE text ERROR_VARIABLE text)
    if(result)
        string(REPLACE ";" " " line "${ARGN}")
        message("${text}")
        message(FATAL_ERROR "${line}\nended with ${result}")
    endif()
    set(output "${text}" PARENT_SCOPE)
endfunction()

# configure_and_build(SOURCE_DIRECTORY BUILD_DIRECTORY OPTION...)
function(configure_and_build source build)
    run(${CMAKE_COMMAND} -S ${source} -B ${build} -G ${GENERATOR}
        -DCMAKE_BUILD_TYPE=Debug ${toolchain} -DCMAKE_C_COMPILER=${C_COMPILER}
        -DCMAKE_CXX_COMPILER=${CXX_COMPILER} ${ARGN})
    run(${CMAKE_COMMAND} --build ${build})
endfunction()

# check_output(DIRECTORY [COMMAND...]): the consumer in that directory runs and has read its file.
# Last, because a skip hides what comes after it.
function(check_output directory)
    if(WINDOWS AND KIND STREQUAL "shared")
        file(GLOB library ${tree}/bin/*.dll) # is looked for beside the program
        file(COPY ${library} DESTINATION ${directory})
    endif()
    file(WRITE ${work}/input.txt "${expected}")
    execute_process(COMMAND ${ARGN} ${EMULATOR} ${directory}/consumer${EXE} input.txt
        WORKING_DIRECTORY ${work}
        RESULT_VARIABLE result OUTPUT_VARIABLE text ERROR_VARIABLE text)
    string(REPLACE "\r" "" text "${text}")
    if(result EQUAL 77)
        message("SKIPPED: ${text}") # the test's property makes it a skip
        return()
    endif()
    string(LENGTH "${expected}" length)
    string(FIND "${text}" "nop: success\n" nop)
    string(FIND "${text}" "read: success, ${length} bytes: ${expected}" read)
    if(result OR nop LESS 0 OR read LESS 0)
        message("${text}")
        message(FATAL_ERROR "the consumer ended with ${result} and printed that")
    endif()
endfunction()

# Where vendor.install.KIND put the package, moved away from its prefix.
set(tree ${WORK}/install.${KIND}/moved)

# A toolchain file may allow packages of its system's own prefix only, but for those that are named.
file(GLOB_RECURSE found ${tree}/cede-config.cmake)
get_filename_component(package "${found}" DIRECTORY)
set(package -Dcede_ROOT=${tree} -Dcede_DIR=${package})
if(NOT TOOLCHAIN)
    set(package -Dcede_ROOT=${tree})
endif()

file(REMOVE_RECURSE ${work})
file(MAKE_DIRECTORY ${work})

if(CASE MATCHES "^install\\.")
    set(shared OFF)
    if(KIND STREQUAL "shared")
        set(shared ON)
    endif()
    if(shared OR NOT BUILT)
        set(BUILT ${work}/build)
        run(${CMAKE_COMMAND} -S ${SOURCE} -B ${BUILT} -G ${GENERATOR} -DCMAKE_BUILD_TYPE=Debug
            ${toolchain} -DCMAKE_C_COMPILER=${C_COMPILER} -DBUILD_SHARED_LIBS=${shared}
            -DCEDE_WERROR=ON -DCEDE_BUILD_TESTS=OFF -DCEDE_BUILD_EXAMPLES=OFF)
        run(${CMAKE_COMMAND} --build ${BUILT})
    endif()
    run(${CMAKE_COMMAND} --install ${BUILT} --prefix ${work}/prefix)
    # Packages are moved about: by DESTDIR, by distributions, by people.
    file(RENAME ${work}/prefix ${work}/moved)

elseif(CASE STREQUAL "submodule")
    foreach(file warnings.cmake consumer.c submodule)
        file(COPY ${here}/${file} DESTINATION ${work})
    endforeach()
    file(MAKE_DIRECTORY ${work}/submodule/third_party)
    run(${CMAKE_COMMAND} -E create_symlink ${SOURCE} ${work}/submodule/third_party/cede)
    configure_and_build(${work}/submodule ${work}/build)
    # Neither tests nor install rules came along.
    execute_process(COMMAND ${CMAKE_CTEST_COMMAND} -N WORKING_DIRECTORY ${work}/build
        OUTPUT_VARIABLE text ERROR_VARIABLE text)
    if(NOT text MATCHES "Total Tests: 0")
        message(FATAL_ERROR "cede brought tests into its parent:\n${text}")
    endif()
    run(${CMAKE_COMMAND} --install ${work}/build --prefix ${work}/prefix)
    file(GLOB_RECURSE files ${work}/prefix/*)
    if(files)
        message(FATAL_ERROR "cede brought install rules into its parent: ${files}")
    endif()
    check_output(${work}/build)

elseif(CASE MATCHES "^package\\.")
    configure_and_build(${here}/package ${work}/build
        ${package} -DWANTED_VERSION=${VERSION})
    # A version that it does not keep is refused.
    execute_process(COMMAND ${CMAKE_COMMAND} -S ${here}/package -B ${work}/other -G ${GENERATOR}
        ${toolchain} -DCMAKE_C_COMPILER=${C_COMPILER} ${package} -DWANTED_VERSION=99.0
        RESULT_VARIABLE result OUTPUT_QUIET ERROR_QUIET)
    if(NOT result)
        message(FATAL_ERROR "find_package(cede 99.0) was satisfied")
    endif()
    check_output(${work}/build)

elseif(CASE MATCHES "^pkg_config\\.")
    file(GLOB_RECURSE pc ${tree}/cede.pc)
    get_filename_component(pc_directory "${pc}" DIRECTORY)
    get_filename_component(libraries "${pc_directory}" DIRECTORY)
    set(environment PKG_CONFIG_PATH=${pc_directory} LD_LIBRARY_PATH=${libraries})
    set(static "")
    if(KIND STREQUAL "static")
        set(static --static)
    endif()
    run(${CMAKE_COMMAND} -E env ${environment} ${PKG_CONFIG} --modversion cede)
    if(NOT output STREQUAL "${VERSION}\n")
        message(FATAL_ERROR "cede.pc says version ${output}, not ${VERSION}")
    endif()
    foreach(mode "" ${static})
        run(${CMAKE_COMMAND} -E env ${environment} ${PKG_CONFIG} --cflags --libs ${mode} cede)
        string(STRIP "${output}" flags)
        if(KIND STREQUAL "shared" AND flags MATCHES "-luring|-pthread")
            message(FATAL_ERROR "users of the shared library are made to link ${flags}")
        endif()
        separate_arguments(flags UNIX_COMMAND "${flags}")
        run(${C_COMPILER} -std=c11 ${strict} ${here}/consumer.c -o ${work}/consumer${EXE} ${flags})
        check_output(${work} ${CMAKE_COMMAND} -E env ${environment})
    endforeach()

elseif(CASE STREQUAL "cxx17")
    configure_and_build(${here}/cxx17 ${work}/build ${package})
    check_output(${work}/build)

elseif(CASE STREQUAL "exports")
    # Declared: CEDE_API in front of a function or an object, in the headers of the library.
    file(GLOB headers ${SOURCE}/include/cede/*.h)
    set(other win32) # system's
    if(WINDOWS)
        set(other uring)
    endif()
    list(FILTER headers EXCLUDE REGEX "/${other}\\.h$")
    set(declared "")
    foreach(header IN LISTS headers)
        file(READ ${header} text)
        string(REGEX REPLACE "/\\*([^*]|\\*+[^*/])*\\*+/" "" text "${text}")
        string(REPLACE ";" " ;\n" text "${text}")
        string(REGEX MATCHALL "\n(extern )?CEDE_API[^;()]*[^;(A-Za-z0-9_](cede_[a-z0-9_]+)[ (]" found "${text}")
        foreach(declaration IN LISTS found)
            string(REGEX REPLACE ".*[^a-z0-9_](cede_[a-z0-9_]+)[ (]$" "\\1" name "${declaration}")
            list(APPEND declared ${name})
        endforeach()
    endforeach()
    list(REMOVE_DUPLICATES declared)
    list(SORT declared)
    list(LENGTH declared count)
    if(count LESS 60)
        message(FATAL_ERROR "only ${count} declarations were found: ${declared}")
    endif()

    if(WINDOWS)
        file(GLOB_RECURSE library ${tree}/libcede.dll.a)
        run(${NM} --defined-only ${library})
        string(REGEX MATCHALL "__imp_[^ \n]+\n" exported "${output}") # objects have no other name
        string(REPLACE "__imp_" "" exported "${exported}")
    else()
        file(GLOB_RECURSE library ${tree}/libcede.so)
        run(${NM} -D --defined-only ${library})
        string(REGEX MATCHALL "[^ \n]+\n" exported "${output}")
    endif()
    string(REPLACE "\n" "" exported "${exported}")
    list(SORT exported)

    set(missing ${declared})
    list(REMOVE_ITEM missing ${exported})
    set(extra ${exported})
    list(REMOVE_ITEM extra ${declared})
    if(missing OR extra)
        message(FATAL_ERROR "declared but not exported: ${missing}\nexported but not declared: ${extra}")
    endif()
    message("${count} symbols")
else()
    message(FATAL_ERROR "no case ${CASE}")
endif()
