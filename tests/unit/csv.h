/* Reading CSV back. Included behind cmocka. */
#ifndef VMSCOPE_TESTS_CSV_H
#define VMSCOPE_TESTS_CSV_H

/* Fields of one line, as RFC 4180 has them; copies the one with this number. */
static inline unsigned csv_fields(const char *line, unsigned which, char *out)
{
    unsigned n = 0;
    bool quoted = false;
    for (; *line != '\n' || quoted; line++) {
        assert_true(*line);
        if (*line == '"' && quoted && line[1] == '"')
            line++;
        else if (*line == '"') {
            quoted = !quoted;
            continue;
        } else if (*line == ',' && !quoted) {
            n++;
            continue;
        }
        if (n == which)
            *out++ = *line;
    }
    *out = '\0';
    return n + 1;
}

#endif
