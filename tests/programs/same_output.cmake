# cmake -DPROGRAM=command;argument... -DEXPECTED=file [-DOTHER=program] -P same_output.cmake: the
# program ends with 0 and says what the file says, with whatever numbers; and exactly what the other
# program says, if there is one. Ends of lines may be the system's.
function(listen result)
    execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE said ERROR_VARIABLE errors
        RESULT_VARIABLE code)
    string(REPLACE "\r" "" said "${said}")
    if(NOT code EQUAL 0)
        message(FATAL_ERROR "exit code ${code}:\n${said}${errors}")
    endif()
    set(${result} "${said}" PARENT_SCOPE)
endfunction()

listen(said ${PROGRAM})
file(READ ${EXPECTED} expected)
string(REGEX REPLACE "[ 0-9]+" "#" expected_form "${expected}")
string(REGEX REPLACE "[ 0-9]+" "#" form "${said}")
if(NOT form STREQUAL expected_form)
    message(FATAL_ERROR "it said:\n${said}\nexpected, with any numbers:\n${expected}")
endif()
if(OTHER)
    listen(other ${OTHER})
    if(NOT said STREQUAL other)
        message(FATAL_ERROR "it said:\n${said}\nbut ${OTHER} said:\n${other}")
    endif()
endif()
