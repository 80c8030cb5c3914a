# How cede's tests are named and run.
#
# ./dev test builds the suite several times (compilers, sanitizers, valgrind) and runs all builds as
# one CTest run; these say what differs in a build. A developer's own build leaves them alone.
set(CEDE_TEST_PREFIX "" CACHE STRING "Put before the name of each test: \"asan.\"")
set(CEDE_TEST_WRAPPER "" CACHE STRING "A command that runs the tests' programs: valgrind;-q")
set(CEDE_TEST_SLICE "" CACHE STRING "Only tests whose name (without prefix) matches; empty: all")
set(CEDE_TEST_WITHOUT "" CACHE STRING "No tests whose name matches; empty: all")
set(CEDE_TEST_SECONDS 300 CACHE STRING "How long a test may take, on a machine that is busy and slow")
set(CEDE_CONFORMANCE_ARGUMENTS "" CACHE STRING "More arguments for the conformance runner")
set(CEDE_CONFORMANCE_TOGETHER 0 CACHE STRING
    "So many cases share a process, where a start is dear; 0: each has its own")
set(CEDE_TEST_NATIVE "" CACHE STRING "A build of the same sources for this machine, to compare with")
mark_as_advanced(CEDE_TEST_NATIVE CEDE_TEST_PREFIX CEDE_TEST_WRAPPER CEDE_TEST_SLICE CEDE_TEST_WITHOUT
    CEDE_TEST_SECONDS CEDE_CONFORMANCE_ARGUMENTS CEDE_CONFORMANCE_TOGETHER)

# Whether this build is the one of a run that has what need not be tested in each build of a system:
# the plain one; for Windows too, if it is built for that from elsewhere.
set(CEDE_TEST_ONCE TRUE)
if(CEDE_SANITIZE OR CEDE_CHECKED OR (CEDE_TEST_PREFIX AND NOT CMAKE_CROSSCOMPILING))
    set(CEDE_TEST_ONCE FALSE)
endif()

# The exit code by which a test says that it cannot run here; it has printed why.
set(CEDE_TEST_SKIPPED 77)

# cede_test_is_wanted(NAME OUT): whether this run has the test of that name.
function(cede_test_is_wanted name out)
    set(${out} TRUE PARENT_SCOPE)
    if((CEDE_TEST_SLICE AND NOT name MATCHES "${CEDE_TEST_SLICE}")
       OR (CEDE_TEST_WITHOUT AND name MATCHES "${CEDE_TEST_WITHOUT}"))
        set(${out} FALSE PARENT_SCOPE)
    endif()
endfunction()

# cede_test(NAME [SECONDS n] [BY script] COMMAND command...): a test of this build's programs. SECONDS is
# for tests that take longer than most; a build that makes all tests slow makes them slower alike. If the
# command begins with a program of this build and the build is for another system, the emulator runs it.
# BY: a script that is given all that command.
function(cede_test name)
    cmake_parse_arguments(PARSE_ARGV 1 ARG "" "SECONDS;BY" "COMMAND")
    cede_test_is_wanted(${name} wanted)
    if(NOT wanted)
        return()
    endif()
    if(NOT ARG_SECONDS OR ARG_SECONDS LESS CEDE_TEST_SECONDS)
        set(ARG_SECONDS ${CEDE_TEST_SECONDS})
    endif()
    set(emulator "")
    if(ARG_COMMAND MATCHES "^\\$<TARGET_FILE:")
        set(emulator ${CMAKE_CROSSCOMPILING_EMULATOR})
    endif()
    add_test(NAME ${CEDE_TEST_PREFIX}${name} COMMAND ${ARG_BY} ${CEDE_TEST_WRAPPER} ${emulator}
        ${ARG_COMMAND})
    set_tests_properties(${CEDE_TEST_PREFIX}${name} PROPERTIES
        SKIP_RETURN_CODE ${CEDE_TEST_SKIPPED} TIMEOUT ${ARG_SECONDS})
endfunction()

# cede_tree_test(NAME COMMAND command...): a test of the sources, not of a build: one build in a run
# has them, the one without prefix. Sets CEDE_TREE_TEST if it was made.
function(cede_tree_test name)
    cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "COMMAND")
    set(CEDE_TREE_TEST FALSE PARENT_SCOPE)
    if(CEDE_TEST_PREFIX OR CEDE_SANITIZE)
        return()
    endif()
    add_test(NAME ${name} COMMAND ${ARG_COMMAND})
    set_tests_properties(${name} PROPERTIES
        SKIP_RETURN_CODE ${CEDE_TEST_SKIPPED} TIMEOUT 300)
    set(CEDE_TREE_TEST TRUE PARENT_SCOPE)
endfunction()

# cede_fault(TARGET FAULT): it is built with that fault of src/mutants.h. The analyzers are not told of
# it: they would find what is broken on purpose.
function(cede_fault target fault)
    target_compile_definitions(${target} PRIVATE CEDE_MUTANT=CEDI_${fault})
    set_target_properties(${target} PROPERTIES EXPORT_COMPILE_COMMANDS OFF)
endfunction()
