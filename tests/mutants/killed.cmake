# Runs CASE of BACKEND on the broken runner, with the fault that CEDE_MUTANT names in the environment:
# cmake -DRUNNER=... -DEMULATOR=... -DBACKEND=... -DCASE=... -DARGUMENTS=... -P killed.cmake. Succeeds if
# the case fails, by its own checks, by an invariant of the library, by its watchdog, or by a crash.
# That it passes on the sound runner is what its own CTest test shows.
cmake_minimum_required(VERSION 3.16)

if(NOT EXISTS "${RUNNER}")
    message(FATAL_ERROR "there is no ${RUNNER}")
endif()
# The limit is for one run: a mutant that hangs is a dead one, too, and should not take long to die.
execute_process(COMMAND ${EMULATOR} ${RUNNER} --backend ${BACKEND} --case ${CASE}
    --limit 6 ${ARGUMENTS}
    RESULT_VARIABLE result OUTPUT_VARIABLE text ERROR_VARIABLE text TIMEOUT 100)
message("${text}")
if(text MATCHES "no case of that name|mutants.def has no|there is no Wine|Wine could not set itself up")
    message(FATAL_ERROR "this is no death")
endif()
# Not by the exit code alone, which an emulator may cut short.
if(text MATCHES "\n# 1 passed, 0 failed" OR result EQUAL 77)
    message(FATAL_ERROR "survived: ${CASE} does not notice")
endif()
message("killed: ${result}")
