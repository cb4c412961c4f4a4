"""redis-py as a child of the tests: one command a line on its input, one answer a line.

The first argument is JSON: {"cluster": bool, "ports": [...], "options": {...}, "renews": bool}.
Answers are "ok VALUE" or "error TEXT"; the first one says whether the client could be made. Where
it renews, a new client is made for the first command after an error.
"""
import json
import sys

import redis

setup = json.loads(sys.argv[1])


def make():
    if setup["cluster"]:
        nodes = [redis.cluster.ClusterNode("127.0.0.1", port) for port in setup["ports"]]
        return redis.RedisCluster(startup_nodes=nodes, **setup["options"])
    options = dict(setup["options"])
    if "retry" in options:
        # The number of retries, in place of an object that JSON can't say.
        options["retry"] = redis.retry.Retry(redis.backoff.NoBackoff(), options["retry"])
        options["retry_on_error"] = [redis.exceptions.ConnectionError]
    return redis.Redis(host="127.0.0.1", port=setup["ports"][0], **options)


client = None


def answer(work):
    global client
    try:
        text = "ok " + str(work())
    except Exception as error:
        text = f"error {type(error).__name__}: {error}"
        if setup["renews"]:
            client = None
    print(text.replace("\n", " "), flush=True)


def connected():
    global client
    if client is None:
        client = make()
    return client


answer(lambda: connected() and redis.__version__)
for line in sys.stdin:
    answer(lambda: connected().execute_command(*line.split()))
