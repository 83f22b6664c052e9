/* What went wrong: see fault.h. SPDX-License-Identifier: BSD-3-Clause */
#include "tls/fault.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <asynchat/error.h>

/* OpenSSL numbers the reason "the peer sent this alert" from here on. */
#define ALERT SSL_AD_REASON_OFFSET

static _Thread_local char last[FAULT_TEXT];

int asynchat__tls_fault(int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(last, sizeof last, format, args);
    va_end(args);
    ERR_clear_error();
    return error;
}

const char *asynchat__tls_last_fault(void)
{
    return last;
}

static const char *reason_text(unsigned long error)
{
    const char *text = ERR_reason_error_string(error);
    if (text)
        return text;
    return ERR_SYSTEM_ERROR(error) ? asynchat_strerror(-ERR_GET_REASON(error))
                                   : "unknown reason";
}

int asynchat__tls_openssl_fault(int error, const char *what)
{
    unsigned long reason = ERR_peek_last_error();
    asynchat__tls_fault(0, "%s: %s", what, reason_text(reason));
    if (ERR_GET_REASON(reason) == ERR_R_MALLOC_FAILURE)
        error = -ENOMEM;
    return error;
}

/* --- of a session --- */

void asynchat__tls_forget_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

/* The reason of an error of TLS, or 0: each library of OpenSSL has reasons of
 * its own, with the same numbers. */
static int reason_of_tls(unsigned long error)
{
    return ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
}

static bool is_alert(int reason)
{
    return reason >= ALERT && reason < ALERT + 256;
}

/* Whether the peer's alert is about a certificate of this side. */
static bool is_about_certificate(int alert)
{
    switch (alert) {
    case SSL3_AD_NO_CERTIFICATE:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_CERTIFICATE_REQUIRED:
        return true;
    default:
        return false;
    }
}

/* Whether the peer's bytes are no TLS at all. */
static bool is_other_protocol(int reason)
{
    switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
        return true;
    default:
        return false;
    }
}

static int code_of(unsigned long error, const struct refusal *refusal,
                   int shaking)
{
    int reason = reason_of_tls(error);
    if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
        return -ENOMEM;
    if (refusal->error != X509_V_OK ||
        reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return ASYNCHAT_ECERTIFICATE;
    if (is_alert(reason) && is_about_certificate(reason - ALERT))
        return ASYNCHAT_ECERTIFICATE;
    return shaking && !is_other_protocol(reason) ? ASYNCHAT_EHANDSHAKE
                                                 : ASYNCHAT_EPROTOCOL;
}

/* A peer has chosen these bytes, and an operator reads them. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

/* Appends the names that a certificate is for, as far as there is room. */
static void append_names(const X509 *certificate, char *text)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    BIO *out = BIO_new(BIO_s_mem());
    size_t len = strlen(text);
    if (out && !names)
        BIO_puts(out, "; it has no subjectAltName");
    for (int i = 0; out && i < sk_GENERAL_NAME_num(names) && i < 8; i++) {
        BIO_puts(out, i > 0 ? ", " : "; it is for ");
        GENERAL_NAME_print(out, sk_GENERAL_NAME_value(names, i));
    }
    int n = out ? BIO_read(out, text + len, (int)(FAULT_TEXT - len - 1)) : 0;
    text[len + (size_t)(n > 0 ? n : 0)] = '\0';
    make_printable(text + len);
    BIO_free(out);
    GENERAL_NAMES_free(names);
}

static void describe_refusal(const struct refusal *refusal, char *text)
{
    (void)snprintf(text, FAULT_TEXT, "certificate verify failed: %s (depth %d)",
                   X509_verify_cert_error_string(refusal->error),
                   refusal->depth);
    if (refusal->certificate)
        append_names(refusal->certificate, text);
}

int asynchat__tls_session_fault(const struct refusal *refusal, int shaking,
                                char *text)
{
    unsigned long error = ERR_peek_error();
    int reason = reason_of_tls(error);
    const char *who = "";
    if (is_alert(reason))
        who = "the peer has sent an alert: ";
    else if (is_other_protocol(reason))
        who = "the peer does not speak TLS: ";
    if (refusal->error != X509_V_OK)
        describe_refusal(refusal, text);
    else
        (void)snprintf(text, FAULT_TEXT, "%s%s", who, reason_text(error));
    ERR_clear_error();
    return code_of(error, refusal, shaking);
}

void asynchat__tls_refuse(struct refusal *refusal, X509_STORE_CTX *store)
{
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    refusal->error = X509_STORE_CTX_get_error(store);
    refusal->depth = X509_STORE_CTX_get_error_depth(store);
    if ((refusal->error == X509_V_ERR_HOSTNAME_MISMATCH ||
         refusal->error == X509_V_ERR_IP_ADDRESS_MISMATCH) &&
        !refusal->certificate && X509_up_ref(certificate))
        refusal->certificate = certificate;
}
