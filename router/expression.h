/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expression.h - the few functions over variables and literals that SET statements use. For
 * router/set.c.
 *
 *   operand: 'text' | integer | @@[SESSION.|LOCAL.]variable | function(operand, ...)
 */
#ifndef ROUTER_EXPRESSION_H
#define ROUTER_EXPRESSION_H

#include "router/set.h"
#include "router/token.h"

#define EXPRESSION_DEPTH  8
#define EXPRESSION_MEMORY 4096

struct expression {
    struct lexer *lexer;
    struct token *token; /* the next one; in the end the one behind the expression */
    const char *end;     /* behind the last token that was taken */
    set_get_fn get;      /* NULL: only the form and the type are wanted */
    void *owner;
    uint32_t depth;
    uint32_t used; /* of memory */
    char memory[EXPRESSION_MEMORY];
};

struct operand {
    struct slice text;
    bool is_number; /* an integer in its shortest form */
};

/* expression_init - lexer, token: the caller's; token is the expression's first. */
void expression_init(struct expression *e, struct lexer *lexer, struct token *token, set_get_fn get,
                     void *owner);

/* expression_operand - false: not of this form, or not known here. */
bool expression_operand(struct expression *e, struct operand *result);

#endif
