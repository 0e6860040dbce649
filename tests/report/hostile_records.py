"""Forty strings that would act if they were taken for markup, code or formulas, and records made of nothing else."""

import numpy as np
from synthetic import make_condition, make_values

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '" onfocus="alert(1)" autofocus="',
    "<svg onload=alert(1)>",
    "<svg><script href='https://evil.example/x.js'/></svg>",
    "</svg><script>alert(1)</script>",
    "]]><script>alert(1)</script>",
    "<!-- <script>",
    "--><script>alert(1)</script>",
    "</td></tr></table><h1>broken</h1>",
    "</pre></details><h1>broken</h1>",
    "<iframe src=https://evil.example></iframe>",
    "<base href=https://evil.example/>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "{{ 7 * 7 }}{% for x in y %}",
    "${7*7}",
    r"$\frac{",
    "$x^2$ $",
    r"\input{/etc/passwd}",
    r"\href{javascript:alert(1)}{x} & % # _",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("https://evil.example","x")',
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1+1",
    "\r\n=1+1,x\n",
    '",=1+1,"',
    "\u202egnp.exe\u2066",
    "nul \x00 bell \x07 escape \x1b[31m end \ufffe",
    "_hidden &lt;b&gt; &#x3c;script&#x3e; " + "long " * 200,
]


def hostile_values(text, *, classes, init):
    """A record with the text in every field that takes one, and as the name of every setting."""
    values = make_values(text, classes=classes, conditions=("clean", "aa"), per_class=12)
    values |= dict.fromkeys(("title", "paper", "link", "origin"), text)
    values |= {"init": init, "departures": [text], "protocol": "modified"}
    values["data"] |= {"name": text, "fingerprint": "same", "splits_sha256": text}
    values["model"] |= {"architecture": text, "weights_sha256": text, "file_sha256": text}
    values["last"]["weights_sha256"] = text
    values["training"] |= dict.fromkeys(("init", "init_sha256", "objective", "inner_attack"), text)
    values["training"] |= {"modifiers": [text], "config": {text: {text: [text]}}, "hidden_settings": {text: text}}
    values["environment"] |= dict.fromkeys(("fairbench", "git_commit", "python", "torch", "device"), text)
    for condition in values["conditions"].values():
        condition |= {"settings": {text: text}, "undefined": {text: text}}
    flawless = np.eye(len(classes), dtype=int) * 12
    why = {"class_false_positive_score": text}
    checks = HARMLESS_CHECKS | {"notes": [text], "attacked": {text: 1}, "broken": {text: 0}, "passes": {text: 1}}
    changes = {"settings": {text: text}, "undefined": why, "checks": checks}
    values["conditions"]["aa"] = make_condition(flawless, **changes)
    return values


HARMLESS_CHECKS = {
    "randomised": False,
    "dynamic": False,
    "probabilities": False,
    "lowest_logit": -1.0,
    "highest_logit": 1.0,
    "gradient_seen": [],
    "gradient_zero": [],
    "square_better": None,
    "farthest": 0.1,
}
