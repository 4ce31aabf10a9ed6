#include "model/ews.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/xml.h"

#define SOAP "http://schemas.xmlsoap.org/soap/envelope/"
#define EWS  "http://schemas.microsoft.com/exchange/services/2006/"

#define LETTERS  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS   "0123456789"
#define CODE_MAX 64

/* The guide's advice: "Configure availability settings", "Troubleshooting". */
static const char *const helps[EWS_OUTCOMES] = {
    [EWS_SUCCESS] = "Nothing is to be done.",
    [EWS_DNS_FAILURE] =
        "Check that you have the correct EWS URL, and that its host can be found in the public DNS.",
    [EWS_ADDRESS_NOT_ALLOWED] =
        "Use a host that the Internet reaches, or ask the operator of this service to allow"
        " the network (--ews-networks).",
    [EWS_CONNECTION_REFUSED] =
        "Check the port of the URL (443 when it has none), that Exchange runs, and that the"
        " firewall allows access from the Internet.",
    [EWS_CONNECTION_FAILED] =
        "Check that Exchange is connected to the Internet, and that the firewall allows access"
        " from the Internet to port 443.",
    [EWS_TIMED_OUT] =
        "Check that the firewall is configured to allow access from the Internet to port 443, and that"
        " Exchange answers.",
    [EWS_TLS_NOT_TRUSTED] =
        "Give Exchange a certificate that is valid now and signed by a certificate authority in"
        " Mozilla's list, and let it send those between. Of an authority of its own the operator"
        " of this service can be told (--ews-ca-file).",
    [EWS_TLS_NAME_MISMATCH] =
        "Use a host in the URL that the certificate names, or give Exchange a certificate that"
        " names this host.",
    [EWS_TLS_FAILED] = "Check that HTTPS is spoken on this port, with TLS 1.2 or later.",
    [EWS_UNAUTHORIZED] =
        "Check user name and password. If they are right, the user name may not be in the expected"
        " form: use the full address, or DOMAIN\\username. Or Exchange is not configured for Basic"
        " Authentication for EWS: enable it on the virtual directory.",
    [EWS_NOT_FOUND] =
        "Check the path of the URL: it usually looks like https://server.example/EWS/Exchange.asmx."
        " Exchange's PowerShell shows it: Get-WebServicesVirtualDirectory | Select name, *url* | fl",
    [EWS_NOT_AN_ENDPOINT] =
        "Check that you have the correct EWS URL: it usually looks like"
        " https://server.example/EWS/Exchange.asmx, and leads to Exchange itself without a"
        " redirect.",
    [EWS_NO_MAILBOX] = "Give the service account a mailbox on Exchange, or use another account that has one.",
    [EWS_ERROR] = "Look for this error in the log of Exchange.",
};

const char *const ews_outcome_names[] = {
    [EWS_SUCCESS] = "SUCCESS",
    [EWS_DNS_FAILURE] = "DNS_FAILURE",
    [EWS_ADDRESS_NOT_ALLOWED] = "ADDRESS_NOT_ALLOWED",
    [EWS_CONNECTION_REFUSED] = "CONNECTION_REFUSED",
    [EWS_CONNECTION_FAILED] = "CONNECTION_FAILED",
    [EWS_TIMED_OUT] = "TIMED_OUT",
    [EWS_TLS_NOT_TRUSTED] = "TLS_NOT_TRUSTED",
    [EWS_TLS_NAME_MISMATCH] = "TLS_NAME_MISMATCH",
    [EWS_TLS_FAILED] = "TLS_FAILED",
    [EWS_UNAUTHORIZED] = "UNAUTHORIZED",
    [EWS_NOT_FOUND] = "NOT_FOUND",
    [EWS_NOT_AN_ENDPOINT] = "NOT_AN_EWS_ENDPOINT",
    [EWS_NO_MAILBOX] = "NO_MAILBOX",
    [EWS_ERROR] = "EWS_ERROR",
    [EWS_OUTCOMES] = NULL,
};

const char *ews_help(enum ews_outcome outcome)
{
    return helps[outcome];
}

/* --- the URL --- */

static bool is_port(const char *text, size_t length)
{
    long port = length >= 1 && length <= 5 && strspn(text, DIGITS) >= length ? strtol(text, NULL, 10) : 0;
    return port >= 1 && port <= 65535;
}

bool ews_check_url(const char *url, const char **ret_detail)
{
    static const char scheme[] = "https://";
    *ret_detail =
        "An EWS URL looks like https://server.example/EWS/Exchange.asmx: https, a host in ASCII (or an IPv6"
        " address in brackets), maybe a port, and neither a user nor a fragment.";
    if (strncasecmp(url, scheme, strlen(scheme)) != 0)
        return false;
    const char *host = url + strlen(scheme);
    size_t length =
        *host == '[' ? strspn(host + 1, DIGITS "ABCDEFabcdef:.") + 1 : strspn(host, LETTERS DIGITS ".-");
    if (*host == '[' ? length < 3 || host[length++] != ']' : length == 0 || length > 253 || *host == '.')
        return false;
    const char *rest = host + length;
    if (*rest == ':') {
        size_t digits = strcspn(++rest, "/?");
        if (!is_port(rest, digits))
            return false;
        rest += digits;
    }
    if (*rest != '\0' && *rest != '/' && *rest != '?')
        return false;
    for (; *rest != '\0'; rest++)
        if (*rest <= ' ' || *rest > '~' || strchr("#\\\"<>^`{|}", *rest) != NULL)
            return false;
    return true;
}

/* --- question and answer --- */

const char *const ews_question =
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>"
    "<soap:Envelope xmlns:soap=\"" SOAP "\" xmlns:t=\"" EWS "types\" xmlns:m=\"" EWS "messages\">"
    "<soap:Header><t:RequestServerVersion Version=\"Exchange2010_SP2\"/></soap:Header>"
    "<soap:Body><m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
    "<m:FolderIds><t:DistinguishedFolderId Id=\"calendar\"/></m:FolderIds></m:GetFolder></soap:Body>"
    "</soap:Envelope>";

static struct ews_result result(enum ews_outcome outcome, const char *detail)
{
    return (struct ews_result){outcome, detail};
}

/* Codes are shown to who asks; what is none is not. */
static bool is_code(const char *text)
{
    size_t length = strspn(text, LETTERS DIGITS);
    return length >= 1 && length <= CODE_MAX && text[length] == '\0';
}

static struct ews_result judge_code(struct arena *arena, long status, const char *code)
{
    if (status == 200 && strcmp(code, "NoError") == 0)
        return result(EWS_SUCCESS, "Exchange answered as the service account.");
    if (strcmp(code, "ErrorNonExistentMailbox") == 0 || strcmp(code, "ErrorMissingEmailAddress") == 0)
        return result(EWS_NO_MAILBOX, "The service account has no mailbox.");
    return result(EWS_ERROR, arena_printf(arena, "Exchange answered with the error %s.", code));
}

struct ews_result ews_judge(struct arena *arena, long status, const char *body, size_t length)
{
    struct xml_element wanted[] = {{.name = "ResponseCode"}};
    struct xml_root root;
    const char *detail;

    if (status == 401)
        return result(EWS_UNAUTHORIZED, "The server refuses the user name or the password (status 401).");
    if (status == 404)
        return result(EWS_NOT_FOUND, "There is nothing at this path of the server (status 404).");
    if (status >= 300 && status < 400)
        return result(
            EWS_NOT_AN_ENDPOINT,
            arena_printf(arena, "The server redirects (status %ld), which is not followed.", status));
    if (body == NULL || !xml_read(arena, body, length, wanted, 1, &root, &detail) ||
        strcmp(root.name, "Envelope") != 0 || strcmp(root.namespace, SOAP) != 0 || wanted[0].text == NULL ||
        !is_code(wanted[0].text))
        return result(EWS_NOT_AN_ENDPOINT,
                      arena_printf(arena, "The server does not answer as EWS do (status %ld).", status));
    return judge_code(arena, status, wanted[0].text);
}
