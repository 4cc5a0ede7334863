/* SPDX-License-Identifier: Apache-2.0 */
/*
 * named.c - see named.h.
 */
#include "router/named.h"

#include "router/token.h"
#include "router/words.h"

void named_schemas(struct slice text, uint32_t mode, bool in_strings,
                   void (*on_name)(void *arg, struct slice name), void *arg)
{
    struct lexer lexer;
    struct token before = {.kind = TOKEN_END};
    struct token token;

    lexer_init(&lexer, text, mode);
    for (lexer_next(&lexer, &token); token.kind != TOKEN_END; lexer_next(&lexer, &token)) {
        if (token_is_punct(&token, '.') && token_is_name(&before)) {
            on_name(arg, token_inner(&before));
        } else if (token_is_name(&token) && before.word == W_USE) {
            on_name(arg, token_inner(&token));
        }
        if (in_strings && token.kind == TOKEN_STRING) {
            named_schemas(token_inner(&token), mode, false, on_name, arg);
        }
        before = token;
    }
}
