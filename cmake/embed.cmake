# Writes OUTPUT: the files named in MIGRATIONS (a list) and OPENAPI as C arrays, for db/embedded_files.h.

# The file as the elements of a char array, ending in a NUL that does not count.
function(bytes_of file ret_bytes ret_length)
    file(READ ${file} hex HEX)
    string(LENGTH "${hex}" digits)
    math(EXPR length "${digits} / 2")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
    set(${ret_bytes} "${bytes}0" PARENT_SCOPE)
    set(${ret_length} ${length} PARENT_SCOPE)
endfunction()

set(arrays "")
set(rows "")
set(count 0)
list(SORT MIGRATIONS)
foreach(file IN LISTS MIGRATIONS)
    get_filename_component(name ${file} NAME_WLE)
    bytes_of(${file} bytes length)
    string(APPEND arrays "static const char migration_${count}[] = {${bytes}};\n")
    string(APPEND rows "    {\"${name}\", migration_${count}, ${length}},\n")
    math(EXPR count "${count} + 1")
endforeach()
bytes_of(${OPENAPI} openapi length)

# Also compressed once and for all: the same file, without name and time in it.
execute_process(COMMAND gzip --best --no-name --stdout INPUT_FILE ${OPENAPI} OUTPUT_FILE ${OUTPUT}.gz
                COMMAND_ERROR_IS_FATAL ANY)
bytes_of(${OUTPUT}.gz openapi_gzip gzip_length)

file(WRITE ${OUTPUT} "#include \"db/embedded_files.h\"

${arrays}static const char openapi[] = {${openapi}};
static const char openapi_gzip[] = {${openapi_gzip}};

const struct embedded_file embedded_migrations[] = {
${rows}};
const size_t embedded_migration_count = ${count};
const struct embedded_file embedded_openapi = {\"openapi.yaml\", openapi, ${length}};
const struct embedded_file embedded_openapi_gzip = {\"openapi.yaml.gz\", openapi_gzip, ${gzip_length}};
")
