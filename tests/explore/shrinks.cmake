# Runs explore-seeds on a broken core: cmake -DPROGRAM=... -P shrinks.cmake. It must find a seed that
# fails, and shrink it to the few actions that the fault needs.
execute_process(COMMAND ${PROGRAM} --kill --count 10000 RESULT_VARIABLE result OUTPUT_VARIABLE text
    TIMEOUT 100)
message("${text}")
if(NOT result EQUAL 1 OR NOT text MATCHES "^[0-9]+ seeds, ([1-9]|10) actions: law ")
    message(FATAL_ERROR "not found, or not shrunk: ${result}")
endif()
