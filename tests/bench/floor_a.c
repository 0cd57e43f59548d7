/* floor_a - the least that answers under nginx: one request at a time, nothing read or kept. */
#include <fcgiapp.h>

static char answer[980] = "Content-Type: application/json\r\nContent-Length: 923\r\n\r\n";

int main(void)
{
    FCGX_Request request;
    FCGX_Init();
    FCGX_InitRequest(&request, 0, 0);
    while (FCGX_Accept_r(&request) >= 0)
        FCGX_PutStr(answer, sizeof answer, request.out);
}
