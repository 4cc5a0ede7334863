/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_token.c - tokens as MariaDB cuts them; the table of words.
 */
#include "router/facts.h"
#include "router/token.h"
#include "router/words.h"
#include "tests/unit/test.h"

/*
 * show - "k:text" for each token; k: w word, i quoted, s string, n number, @ variable, S @@, p
 * punct.
 */
static void show(const char *sql, uint32_t mode, char *out, size_t cap)
{
    static const char kinds[] = "?wisn@Sp";
    struct lexer lexer;
    struct token token;
    size_t len = 0;

    out[0] = '\0';
    lexer_init(&lexer, slice_of(sql), mode);
    for (lexer_next(&lexer, &token); token.kind != TOKEN_END; lexer_next(&lexer, &token)) {
        len += (size_t)snprintf(out + len, cap - len, "%s%c:%.*s", len > 0 ? " " : "",
                                kinds[token.kind], SLICE_ARGS(token_text(&token)));
    }
    lexer_next(&lexer, &token);
    assert_int_equal(token.kind, TOKEN_END);
}

static void assert_tokens(const char *sql, const char *tokens)
{
    char out[1024];

    show(sql, 0, out, sizeof(out));
    if (strcmp(out, tokens) != 0) {
        fail_msg("%s gives\n  %s, not\n  %s", sql, out, tokens);
    }
}

TEST(token_numbers_and_names_are_told_apart)
{
    assert_tokens("1 1.5 .5 1. 1.e3 1e5 1e+5 1E-5 0x1f 0b01",
                  "n:1 n:1.5 n:.5 n:1. n:1.e3 n:1e5 n:1e+5 n:1E-5 n:0x1f n:0b01");
    assert_tokens("1e 1a 0x 0xg 0X1F 0b 0b2 1e+ 1ea",
                  "w:1e w:1a w:0x w:0xg w:0X1F w:0b w:0b2 w:1e p:+ w:1ea");
    assert_tokens("t.5 t .5 t.1e5 a.b.c", "w:t p:. w:5 w:t n:.5 w:t p:. w:1e5 w:a p:. w:b p:. w:c");
    assert_tokens("1.5abc 1..2", "n:1.5 w:abc n:1. n:.2");
    assert_tokens("$a _b c$1 \xc3\xa4", "w:$a w:_b w:c$1 w:\xc3\xa4");
}

TEST(token_strings_end_where_they_end)
{
    assert_tokens("'a''b' 'a\\'b' \"c\"\"d\" `e``f`", "s:'a''b' s:'a\\'b' s:\"c\"\"d\" i:`e``f`");
    assert_tokens("N'a' n'b' x'41' B'01' N 'a' X\"41\"",
                  "s:N'a' s:n'b' s:x'41' s:B'01' w:N s:'a' w:X s:\"41\"");
    assert_tokens("_utf8'a' '\\\\' \\N", "w:_utf8 s:'a' s:'\\\\' s:\\N");
    assert_tokens("'a", "s:'a");
    assert_tokens("'a\\", "s:'a\\");
    assert_tokens("`a\\`", "i:`a\\`");
    assert_tokens("'0123456789abcdef''0123456789' x", "s:'0123456789abcdef''0123456789' w:x");
}

TEST(token_variables)
{
    assert_tokens("@a @@b @@c.d @`e f` @'g' @\"h\" @ @a.b:=1",
                  "@:@a S:@@ w:b S:@@ w:c p:. w:d @:@`e f` @:@'g' @:@\"h\" @:@ @:@a.b p:: p:= n:1");
    assert_tokens("'u'@'%' u@localhost", "s:'u' @:@'%' w:u @:@localhost");
}

TEST(token_comments_are_gaps)
{
    assert_tokens("a -- b\nc--d e-- \nf --", "w:a w:c p:- p:- w:d w:e w:f");
    assert_tokens("a # b\nc /* d */e/**/f /*/ g */h", "w:a w:c w:e w:f w:h");
    assert_tokens("a /* b /* c */ d */", "w:a w:d p:* p:/");
    assert_tokens("/*! a *//*!50000b */ /*M!100000 c*/ /*!123 d */ */ e",
                  "w:a w:b w:c n:123 w:d p:* p:/ w:e");
    assert_tokens("/*! a /* b */ c */ d", "w:a w:c w:d");
    assert_tokens("a --\x01 b", "w:a");
    assert_tokens("a --b", "w:a p:- p:- w:b");
}

TEST(token_flags_of_the_lexer_tell_what_is_odd)
{
    static const struct {
        const char *sql;
        uint8_t flags;
    } rows[] = {
        {"a", 0},
        {"/*! a */", LEXER_EXECUTABLE},
        {"/*!40101 a */", LEXER_EXECUTABLE},
        {"/*!50700 a */", LEXER_EXECUTABLE | LEXER_CONDITIONAL},
        {"/*M!100100 a */", LEXER_EXECUTABLE | LEXER_CONDITIONAL},
        {"/*! /*! a */ */", LEXER_EXECUTABLE | LEXER_CONDITIONAL},
        {"/*! a", LEXER_EXECUTABLE | LEXER_UNTERMINATED},
        {"/* a", LEXER_UNTERMINATED},
        {"/*", LEXER_UNTERMINATED},
        {"/*/", LEXER_UNTERMINATED},
        {"'a", LEXER_UNTERMINATED},
        {"`a", LEXER_UNTERMINATED},
        {"@'a", LEXER_UNTERMINATED},
        {"\x01", LEXER_BAD_BYTES},
        {"a\xff", LEXER_BAD_BYTES},
        {"\xc3(", LEXER_BAD_BYTES},
        {"'\xff'", 0},
    };
    char out[64];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct lexer lexer;
        struct token token;

        lexer_init(&lexer, slice_of(rows[i].sql), 0);
        do {
            lexer_next(&lexer, &token);
        } while (token.kind != TOKEN_END);
        if (lexer.flags != rows[i].flags) {
            fail_msg("%s: %#x", rows[i].sql, lexer.flags);
        }
        show(rows[i].sql, FACTS_ANSI_QUOTES | FACTS_NO_BACKSLASH_ESCAPES, out, sizeof(out));
    }
}

TEST(token_words_beside_a_dot_are_no_keywords)
{
    struct lexer lexer;
    struct token token;

    lexer_init(&lexer, SLICE("select.x y.from from . z"), 0);
    lexer_next(&lexer, &token);
    assert_int_equal(token.word, WORD_NONE);
    lexer_next(&lexer, &token);
    lexer_next(&lexer, &token);
    assert_true((token.flags & TOKEN_DOTTED) != 0);
    lexer_next(&lexer, &token);
    lexer_next(&lexer, &token);
    lexer_next(&lexer, &token);
    assert_int_equal(token.word, WORD_NONE);
    lexer_next(&lexer, &token);
    assert_int_equal(token.word, W_FROM);
    assert_int_equal(token.flags, TOKEN_GAP);
}

TEST(token_gap_and_plain_are_told)
{
    struct lexer lexer;
    struct token token;

    lexer_init(&lexer, SLICE("a/**/'b' 'c''d'"), 0);
    lexer_next(&lexer, &token);
    assert_int_equal(token.flags, 0);
    lexer_next(&lexer, &token);
    assert_int_equal(token.flags, TOKEN_GAP | TOKEN_COMMENT | TOKEN_PLAIN);
    assert_true(slice_eq(token_inner(&token), SLICE("b")));
    lexer_next(&lexer, &token);
    assert_int_equal(token.flags, TOKEN_GAP);
    assert_true(slice_eq(token_inner(&token), SLICE("c''d")));
}

TEST(token_words_are_found_in_any_case)
{
    static const struct {
        const char *text;
        uint16_t id;
    } rows[] = {
        {"select", W_SELECT},
        {"SeLeCt", W_SELECT},
        {"IN", W_IN},
        {"as", W_AS},
        {"get_lock", W_GET_LOCK},

        {"session_track_system_variables", W_SESSION_TRACK_SYSTEM_VARIABLES},
        {"session_track_system_variable", WORD_NONE},
        {"st_geometrycollectionfromtext", WORD_PLAIN},
        {"abs", WORD_PLAIN},
        {"selec", WORD_NONE},
        {"wp_posts", WORD_NONE},
        {"", WORD_NONE},
        {"a_name_that_is_longer_than_each_word_in_the_table", WORD_NONE},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        size_t len = strlen(rows[i].text);
        char *copy = malloc(len + 1);

        memcpy(copy + 1, rows[i].text, len);
        assert_int_equal(word_find(copy + 1, len).id, rows[i].id);
        free(copy);
    }
    assert_int_equal(word_find("sql_calc_found_rows", 19).flags & WORD_RESERVED, WORD_RESERVED);
    assert_int_equal(word_find("now", 3).flags & (WORD_TIGHT | WORD_VOLATILE),
                     WORD_TIGHT | WORD_VOLATILE);
}
