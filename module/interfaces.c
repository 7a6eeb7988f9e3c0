/*
 * The ways in: C_GetFunctionList, C_GetInterfaceList and C_GetInterface, and the functions that are
 * answered without a server. PKCS#11 3.2 §5.4 and §5.21.
 *
 * No interface says CKF_INTERFACE_FORK_SAFE: that would promise a child process its own copy of the
 * parent's sessions.
 */
#include "claviger.h"
#include "calls.h"

#include <string.h>

static CK_UTF8CHAR standard[] = "PKCS 11";

/* The newest first: it is the default. */
static CK_INTERFACE interfaces[] = {
    {standard, (void *)&claviger_functions_3_2, 0},
    {standard, (void *)&claviger_functions_3_0, 0},
    {standard, (void *)&claviger_functions, 0},
};
#define INTERFACES (sizeof interfaces / sizeof interfaces[0])

EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST **ppFunctionList)
{
    if (ppFunctionList == NULL)
        return CKR_ARGUMENTS_BAD;
    *ppFunctionList = (CK_FUNCTION_LIST *)&claviger_functions;
    return CKR_OK;
}

EXPORT CK_RV C_GetInterfaceList(CK_INTERFACE *pInterfacesList, CK_ULONG *pulCount)
{
    if (pulCount == NULL)
        return CKR_ARGUMENTS_BAD;
    const CK_ULONG capacity = *pulCount;
    *pulCount = INTERFACES;
    if (pInterfacesList == NULL)
        return CKR_OK;
    if (capacity < INTERFACES)
        return CKR_BUFFER_TOO_SMALL;
    memcpy(pInterfacesList, interfaces, sizeof interfaces);
    return CKR_OK;
}

EXPORT CK_RV C_GetInterface(CK_UTF8CHAR *pInterfaceName, CK_VERSION *pVersion,
                            CK_INTERFACE **ppInterface, CK_FLAGS flags)
{
    if (ppInterface == NULL)
        return CKR_ARGUMENTS_BAD;
    for (size_t index = 0; index < INTERFACES; index++) {
        CK_INTERFACE *one = &interfaces[index];
        /* Every function list begins with its version. */
        const CK_VERSION *version = one->pFunctionList;
        if (pInterfaceName != NULL && strcmp((char *)pInterfaceName, (char *)standard) != 0)
            continue;
        if (pVersion != NULL &&
            (pVersion->major != version->major || pVersion->minor != version->minor))
            continue;
        if ((one->flags & flags) != flags)
            continue;
        *ppInterface = one;
        return CKR_OK;
    }
    return CKR_ARGUMENTS_BAD;
}

/* What is left of functions that ran in parallel: they never do. */
static CK_RV not_parallel(void)
{
    const CK_RV rv = process_enter();
    return rv == CKR_OK ? CKR_FUNCTION_NOT_PARALLEL : rv;
}

EXPORT CK_RV C_GetFunctionStatus(CK_SESSION_HANDLE hSession)
{
    (void)hSession;
    return not_parallel();
}

EXPORT CK_RV C_CancelFunction(CK_SESSION_HANDLE hSession)
{
    (void)hSession;
    return not_parallel();
}

/* No session is asynchronous, so there is nothing to complete, name or join. */
static CK_RV not_asynchronous(void)
{
    const CK_RV rv = process_enter();
    return rv == CKR_OK ? CKR_FUNCTION_NOT_SUPPORTED : rv;
}

CK_RV C_AsyncComplete(CK_SESSION_HANDLE hSession, CK_UTF8CHAR *pFunctionName,
                      CK_ASYNC_DATA *pResult)
{
    (void)hSession, (void)pFunctionName, (void)pResult;
    return not_asynchronous();
}

CK_RV C_AsyncGetID(CK_SESSION_HANDLE hSession, CK_UTF8CHAR *pFunctionName, CK_ULONG *pulID)
{
    (void)hSession, (void)pFunctionName, (void)pulID;
    return not_asynchronous();
}

CK_RV C_AsyncJoin(CK_SESSION_HANDLE hSession, CK_UTF8CHAR *pFunctionName, CK_ULONG ulID,
                  CK_BYTE *pData, CK_ULONG ulData)
{
    (void)hSession, (void)pFunctionName, (void)ulID, (void)pData, (void)ulData;
    return not_asynchronous();
}
