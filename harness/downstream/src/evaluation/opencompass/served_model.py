"""The model that is scored, as OpenCompass asks it: a server with OpenAI's API.

What OpenCompass's own class does otherwise: it looks for the model's tokenizer on the internet, asks again for hours where
a server hangs, and asks as many requests at a time as the machine has cores.
"""

import os
from concurrent.futures import ThreadPoolExecutor

from opencompass.models import OpenAISDK


class ServedModel(OpenAISDK):
    def __init__(self, reply_limit=None, answer_within=600, **options):
        super().__init__(key="EMPTY", **options)
        self.reply_limit = reply_limit
        self.answer_within = answer_within
        # The key stays in the environment: configurations are written to disk. `retry` counts the tries here.
        self.openai_client = self.openai_client.with_options(
            api_key=os.environ.get("OPENAI_API_KEY", "EMPTY"), max_retries=0
        )

    def get_token_len(self, prompt):
        # Only shortens replies to prompts near the end of the context. A token is three bytes or more in the benchmarks'
        # texts, and the server counts for itself.
        return len(prompt.encode("utf-8")) // 3

    def generate(self, inputs, max_out_len=512, temperature=0.7, **ignored):
        most = min(max_out_len, self.reply_limit) if self.reply_limit else max_out_len
        with ThreadPoolExecutor(max_workers=max(len(inputs), 1)) as pool:
            return list(pool.map(lambda one: self._generate(one, most, temperature, self.answer_within), inputs))
