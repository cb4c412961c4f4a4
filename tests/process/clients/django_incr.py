# django-redis as a program that counts: incr of Django's cache, a hundred times acknowledged.
#
# Django's cache knows one server for writes: where that does not lead or is gone, the program takes another.
# An error of a connection does not say whether it was done: it is counted as unknown, and not asked again.
import json
import sys
import time

import django
from django.conf import settings

ports = sys.argv[1:]
settings.configure(CACHES={
    f'server-{port}' if at else 'default': {
        'BACKEND': 'django_redis.cache.RedisCache',
        'LOCATION': f'redis://127.0.0.1:{port}/0',
        'OPTIONS': {'SOCKET_TIMEOUT': 5, 'SOCKET_CONNECT_TIMEOUT': 2},
    }
    for at, port in enumerate(ports)
})
django.setup()

from django.core.cache import caches  # noqa: E402: after the settings
from redis.exceptions import ResponseError  # noqa: E402

names = list(settings.CACHES)
at = 0
acknowledged = unknown = 0
end = time.time() + 120
while acknowledged < 100 and time.time() < end:
    cache = caches[names[at % len(names)]]
    try:
        cache.add('counter', 0, timeout=None)
    except Exception:
        at += 1
        time.sleep(0.05)
        continue
    try:
        cache.incr('counter')
        acknowledged += 1
    except Exception as error:
        cause = error.__cause__ or error
        # A server's words (MOVED, CLUSTERDOWN) say that nothing was done, but these.
        if not isinstance(cause, ResponseError) or 'outcome unknown' in str(cause):
            unknown += 1
        at += 1
        time.sleep(0.05)
print(json.dumps({'acknowledged': acknowledged, 'unknown': unknown}))
