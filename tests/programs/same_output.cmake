# cmake -DPROGRAM=command;argument... -DEXPECTED=file -P same_output.cmake: the program ends with 0 and
# says what the file says. Ends of lines may be the system's.
execute_process(COMMAND ${PROGRAM} OUTPUT_VARIABLE said ERROR_VARIABLE errors RESULT_VARIABLE code)
file(READ ${EXPECTED} expected)
string(REPLACE "\r" "" said "${said}")
string(REPLACE "\r" "" expected "${expected}")
if(NOT code EQUAL 0 OR NOT said STREQUAL expected)
    message("${said}${errors}")
    message(FATAL_ERROR "exit code ${code}; expected:\n${expected}")
endif()
