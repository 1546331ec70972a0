"""The published shapes of secrets, as data: prefix, alphabet, length.

A shape with a prefix is found by the first character of a word. A shape without one (a *form*) has a fixed part further
in. Each pattern is compiled when its fixed part is met for the first time: an import compiles nothing.
"""

import functools
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

#: Every secret with a shape has a run of so many letters, digits, ``_``, ``-`` and ``+``.
SHORTEST_RUN: Final = 16

_ALNUM: Final = "A-Za-z0-9"
_HEX: Final = "A-Fa-f0-9"
_UPPER: Final = "A-Z0-9"
_SNAKE: Final = "A-Za-z0-9_"
_WORD: Final = r"A-Za-z0-9_\-"
_DOTTED: Final = r"A-Za-z0-9_.=\-"
_BASE64: Final = r"A-Za-z0-9+/=_\-"
_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
#: What must not follow a secret of a fixed length.
_END: Final = r"(?![A-Za-z0-9_-])"


class Secret(NamedTuple):
    """Secrets that begin with one of some prefixes."""

    vendor: str
    #: Separated by blanks.
    prefixes: str
    alphabet: str
    #: Of what follows the prefix, in characters. Without a greatest length it ends where the alphabet does.
    least: int
    most: int | None = None
    #: Whether capitals, small letters and digits must all occur: the prefix alone says little.
    is_mixed: bool = False
    #: In place of alphabet and length.
    pattern: str = ""


def _patterned(vendor: str, prefixes: str, pattern: str, *, is_mixed: bool = False) -> Secret:
    return Secret(vendor, prefixes, "", 0, None, is_mixed, pattern)


SECRETS: Final = (
    # Models.
    Secret("OpenAI, Anthropic and others", "sk-", _WORD, 16),
    Secret("OpenAI", "sess-", _ALNUM, 32),
    Secret("Hugging Face", "hf_ api_org_", _ALNUM, 20),
    Secret("Groq", "gsk_", _ALNUM, 24),
    Secret("xAI", "xai-", _ALNUM, 32),
    Secret("Perplexity", "pplx-", _ALNUM, 24),
    Secret("Replicate", "r8_", _ALNUM, 24),
    Secret("Fireworks", "fw_", _ALNUM, 20, 48, is_mixed=True),
    Secret("Together", "tgp_v1_", _WORD, 24),
    Secret("Tavily", "tvly-", _WORD, 16),
    Secret("Pinecone", "pcsk_", _SNAKE, 24),
    Secret("NVIDIA", "nvapi-", _WORD, 24),
    Secret("Cerebras", "csk-", _ALNUM, 32),
    Secret("Jina", "jina_", _ALNUM, 32),
    Secret("Voyage", "pa-", _WORD, 40, is_mixed=True),
    Secret("LlamaCloud", "llx-", _ALNUM, 24),
    Secret("Mem0", "m0-", _ALNUM, 32, is_mixed=True),
    Secret("RunPod", "rpa_", _ALNUM, 32),
    Secret("Firecrawl", "fc-", _HEX, 32, 32),
    Secret("E2B", "e2b_", _HEX, 32),
    Secret("Daytona", "dtn_", _HEX, 40),
    Secret("Brave", "BSA", _WORD, 20, 40, is_mixed=True),
    Secret("Modal", "ak- as-", _ALNUM, 22, 22, is_mixed=True),
    Secret("Anyscale", "esecret_", _ALNUM, 20),
    _patterned("Baidu", "bce-v3/", rf"ALTAK-[{_ALNUM}]{{16,}}/[0-9a-f]{{40}}"),
    # Observation of models and programs.
    Secret("LangSmith", "lsv2_pt_ lsv2_sk_ ls__", _SNAKE, 24),
    Secret("Logfire", "pylf_v", _WORD, 24),
    Secret("Weights & Biases", "wandb_v1_", _SNAKE, 32),
    Secret("Weights & Biases", "local-", _HEX, 40, 40),
    Secret("Braintrust", "bt-st-", _ALNUM, 24),
    Secret("Grafana", "glc_ glsa_", _BASE64, 24),
    Secret("Grafana", "eyJrIjoi", _BASE64, 40),
    Secret("Sentry", "sntrys_ sntryu_ sntrya_ sntryi_", _BASE64, 30),
    Secret("New Relic", "NRAK- NRJS- NRII- NRIQ- NRRA- NRSP- NRBR-", _WORD, 16),
    Secret("Honeycomb", "hcaik_ hcbik_ hcamk_ hcxik_", _ALNUM, 24),
    _patterned("Dynatrace", "dt0", rf"[a-z]\d\d\.[{_ALNUM}]{{16,}}\.[{_ALNUM}]{{40,}}"),
    Secret("PostHog", "phx_ phs_", _WORD, 32),
    Secret("Rootly", "rootly_", _HEX, 40),
    Secret("Axiom", "xaat- xapt-", _WORD, 32),
    Secret("Coralogix", "cxup_ cxtp_", _ALNUM, 24),
    Secret("PagerDuty", "pdus+ pdeu+", _BASE64, 16),
    Secret("PagerDuty", "u+ y_", "A-Za-z0-9_+-", 18, 18, is_mixed=True),
    # Source, packages, builds.
    Secret("GitHub", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", _DOTTED, 20),
    Secret(
        "GitLab",
        "glpat- gldt- glrt- glrtr- glcbt- glptt- glft- glimt- glagent- gloas- glsoat- glffct- glwt- GR1348941",
        _DOTTED,
        16,
    ),
    Secret("Bitbucket", "BBDC-", _BASE64, 32),
    Secret("Atlassian", "ATATT3 ATCTT3 ATSTT3", _BASE64, 40),
    Secret("Atlassian", "ATBB ATTA ATOA", _DOTTED, 24),
    Secret("Sourcegraph", "sgp_ sgd_ sgs_ slk_", _SNAKE, 32),
    Secret("npm", "npm_", _ALNUM, 30),
    Secret("PyPI", "pypi-", _WORD, 30),
    Secret("RubyGems", "rubygems_", _HEX, 32),
    Secret("crates.io", "cio", _ALNUM, 32, 32, is_mixed=True),
    Secret("NuGet", "oy2", "a-z0-9", 43, 43),
    Secret("Clojars", "CLOJARS_", _ALNUM, 40),
    Secret("JFrog", "AKCp cmVmd", _ALNUM, 50),
    Secret("Docker", "dckr_pat_ dckr_oat_", _WORD, 20),
    Secret("Buildkite", "bkua_ bkaj_ bkpt_", _ALNUM, 32),
    Secret("CircleCI", "CCIPAT_ CCIPRJ_", _SNAKE, 32),
    Secret("SonarQube", "squ_ sqp_ sqa_ sqco_", _ALNUM, 32),
    Secret("Snyk", "snyk_uat. snyk_sat.", _DOTTED, 20),
    Secret("Octopus Deploy", "API-", _UPPER, 26, 32),
    Secret("Infracost", "ico-", _ALNUM, 32, 32),
    Secret("Pulumi", "pul-", _HEX, 40, 40),
    Secret("Prefect", "pnu_ pnb_", _ALNUM, 24),
    Secret("Scalingo", "tk-us-", _WORD, 40),
    _patterned("Harness", "pat. sat.", rf"[{_WORD}]{{20,24}}\.[{_ALNUM}]{{24}}\.[{_ALNUM}]{{20}}"),
    _patterned("JetBrains", "perm", rf"[:-][{_BASE64}]{{8,}}\.[{_BASE64}]{{4,}}\.[{_ALNUM}]{{20,}}"),
    _patterned("Phabricator", "api- cli-", rf"[a-z0-9]{{28}}{_END}"),
    # Clouds and hosts.
    Secret("AWS", "AKIA ASIA ABIA ACCA", _UPPER, 16, 16),
    Secret("AWS", "ABSK bedrock-api-key- FwoGZXIvYXdzE IQoJb3JpZ2luX2", _BASE64, 20),
    _patterned("Amazon", "amzn", rf"(?:\.mws\.{_UUID}|1\.oa2-cs\.v1\.[0-9a-f]{{64}})"),
    Secret("Google", "AIza", _WORD, 30),
    Secret("Google", "ya29. GOCSPX-", _DOTTED, 20),
    Secret("Google", "1//0 4/0A AQ.", _WORD, 24, is_mixed=True),
    _patterned("Google", "AAAA", rf"[{_WORD}]{{7}}:[{_WORD}]{{100,}}"),
    Secret("Google", "6L", _WORD, 38, 38, is_mixed=True),
    Secret("Alibaba", "LTAI", _ALNUM, 12, 30),
    Secret("Tencent", "AKID", _ALNUM, 28, 48),
    Secret("Yandex", "AQVN y0_ y1_", _WORD, 30),
    Secret("Yandex", "YC", _WORD, 38, 38, is_mixed=True),
    _patterned("Yandex", "t1.", rf"[{_WORD}]{{1,300}}={{0,2}}\.[{_WORD}]{{86}}={{0,2}}"),
    Secret("DigitalOcean", "dop_v1_ doo_v1_ dor_v1_", _HEX, 32),
    Secret("DigitalOcean", "DO00 DO80", _UPPER, 16, 16),
    Secret("Heroku", "HRKU-", _WORD, 30),
    Secret("Fly", "fo1_", _WORD, 30),
    Secret("Fly", "fm1a_ fm1r_ fm2_", _BASE64, 40),
    Secret("Render", "rnd_", _ALNUM, 20),
    Secret("Netlify", "nfp_ nfc_ nfo_ nfu_ nfb_", _ALNUM, 24),
    Secret("Vercel", "vcp_ vci_ vca_ vcr_ vck_ vercel_blob_rw_", _SNAKE, 24),
    Secret("Cloudflare", "cfk_ cfut_ cfat_", _ALNUM, 32),
    _patterned("Cloudflare", "v1.0-", r"[a-f0-9]{24}-[a-f0-9]{100,}"),
    Secret("Scaleway", "SCW", _UPPER, 17, 17),
    _patterned("Backblaze", "K00", rf"\d[{_ALNUM}/+]{{27}}(?![{_ALNUM}/+])"),
    _patterned("Akamai", "akab-", rf"[a-z0-9]{{16}}-[a-z0-9]{{16}}{_END}"),
    Secret("Tailscale", "tskey-", _WORD, 20),
    Secret("OpenShift", "sha256~", _WORD, 40),
    _patterned("Rancher", "token-", rf"[a-z0-9]{{5}}:[a-z0-9]{{50,}}{_END}"),
    Secret("Defined Networking", "dnkey-", _WORD, 40),
    # Data.
    Secret("Databricks", "dapi dose dkea dsapi", "a-f0-9-", 32, 34),
    Secret("Supabase", "sbp_ sb_secret_", _WORD, 20),
    Secret("Neon", "napi_", _ALNUM, 32),
    Secret("PlanetScale", "pscale_tkn_ pscale_pw_ pscale_oauth_", _DOTTED, 24),
    Secret("MongoDB", "mdb_sa_sk_", _WORD, 24),
    Secret("CockroachDB", "CCDB1_", _SNAKE, 40),
    Secret("Confluent", "cflt", "A-Za-z0-9+/", 60, 64, is_mixed=True),
    Secret("Elastic", "essu_", _BASE64, 32),
    Secret("dbt", "dbtc_ dbtu_", _WORD, 32),
    Secret("ClickHouse", "4b1d", _ALNUM, 38, 38, is_mixed=True),
    Secret("Apify", "apify_api_", _ALNUM, 24),
    # Keepers of secrets.
    Secret("Vault", "hvs. hvb. hvr.", _WORD, 20),
    Secret("Vault", "s. b. r.", _ALNUM, 24, 24, is_mixed=True),
    _patterned("Doppler", "dp.", rf"(?:ct|pt|st|sa|said|scim|audit)\.(?:[a-z0-9_-]{{2,35}}\.)?[{_ALNUM}]{{24,}}"),
    _patterned("1Password", "A3-", r"[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}"),
    Secret("1Password", "ops_eyJ", _BASE64, 40),
    Secret("age", "AGE-SECRET-KEY-1 AGE-PLUGIN-", "A-Z0-9-", 32),
    _patterned("Bitwarden", "0.", rf"{_UUID}\.[{_ALNUM}]{{20,}}:[{_BASE64}]{{16,}}"),
    # Money and goods.
    Secret("Stripe", "sk_live_ sk_test_ sk_prod_ rk_live_ rk_test_ rk_prod_ sk_org_ whsec_", _BASE64, 10),
    Secret("Square", "sq0atp- sq0csp- sq0atb- sandbox-sq0atb-", _WORD, 16),
    Secret("Square", "EAAA", _WORD, 22, is_mixed=True),
    Secret("Shopify", "shpat_ shpca_ shppa_ shpss_ shprt_ shptka_ shpua_", _ALNUM, 24),
    Secret("Adyen", "AQE", _BASE64, 60, is_mixed=True),
    _patterned("Adyen", "WPL_AP", rf"\d\.[{_BASE64}.]{{16,}}"),
    _patterned("PayPal", "access_token$", r"(?:production|sandbox)\$[0-9a-z]{8,}\$[0-9a-f]{20,}"),
    _patterned("Plaid", "access- link- public-", rf"(?:sandbox|development|production)-{_UUID}"),
    Secret("Shippo", "shippo_live_ shippo_test_", _HEX, 32),
    Secret("EasyPost", "EZAK EZTK", _ALNUM, 40),
    Secret("Duffel", "duffel_live_ duffel_test_", _DOTTED, 32),
    Secret("Flutterwave", "FLWSECK- FLWSECK_TEST- FLWSECK_TEST", _WORD, 12),
    Secret("Ramp", "ramp_sec_", _ALNUM, 32),
    Secret("Paddle", "pdl_live_ pdl_sdbx_", _SNAKE, 32),
    Secret("Razorpay", "rzp_live_ rzp_test_", _ALNUM, 12),
    Secret("WooCommerce", "ck_ cs_", "a-f0-9", 40, 40),
    # Messages.
    Secret("Slack", "xoxb- xoxp- xoxa- xoxr- xoxs- xoxo- xoxe- xoxc- xoxd- xoxe. xapp- xwfp-", "A-Za-z0-9_.%-", 10),
    _patterned("Slack", "hooks.slack", rf"(?:-gov)?\.com/(?:services|workflows|triggers)/[{_ALNUM}+/_-]{{20,}}"),
    _patterned("Discord", "discord", rf"(?:app)?\.com/api/(?:v\d+/)?webhooks/\d{{15,25}}/[{_WORD}]{{30,}}"),
    _patterned("Microsoft", "webhook.office.com/", r"webhookb2/[A-Za-z0-9@/-]{60,}"),
    _patterned("Zapier", "hooks.zapier.com/hooks/", rf"catch/\d{{4,}}/[{_ALNUM}]{{5,}}"),
    _patterned("Discord", "M N O", rf"[{_WORD}]{{22,27}}\.[{_WORD}]{{6,7}}\.[{_WORD}]{{27,}}"),
    Secret("Twilio", "SK AC", _HEX, 32, 32),
    Secret("SendGrid", "SG.", _DOTTED, 34),
    Secret("Mailgun", "key- pubkey-", _HEX, 32, 32),
    Secret("Brevo", "xkeysib- xsmtpsib-", _WORD, 32),
    Secret("MailerSend", "mlsn.", _ALNUM, 32),
    _patterned("Resend", "re_", rf"[{_ALNUM}]{{6,10}}_[{_ALNUM}]{{20,}}{_END}", is_mixed=True),
    Secret("Intercom", "dG9rO", _BASE64, 40),
    Secret("Telnyx", "KEY0", _SNAKE, 32),
    _patterned("Twitch", "oauth:", rf"[a-z0-9]{{30}}{_END}"),
    Secret("Facebook", "EAA", _ALNUM, 30, is_mixed=True),
    Secret("Instagram", "IGQV IGAA", _WORD, 40),
    Secret("Twitter", "A" * 19, "A-Za-z0-9%", 20),
    Secret("LinkedIn", "AQ", _WORD, 100, is_mixed=True),
    # Work.
    Secret("Notion", "ntn_", _ALNUM, 32),
    Secret("Notion", "secret_", _ALNUM, 40, 50),
    Secret("Linear", "lin_api_ lin_oauth_ lin_wh_", _ALNUM, 24),
    Secret("Figma", "figd_ figp_ figo_ figu_ figr_", _DOTTED, 24),
    Secret("Contentful", "CFPAT-", _WORD, 30),
    Secret("Typeform", "tfp_", _DOTTED, 30),
    _patterned("HubSpot", "pat-", rf"[a-z]{{2,4}}\d-[{_ALNUM}-]{{30,}}"),
    _patterned("Airtable", "pat", rf"[{_ALNUM}]{{14}}\.[a-f0-9]{{64}}"),
    _patterned("Airtable", "oaa", rf"[{_ALNUM}]{{14}}\.v1\.[{_BASE64}.]{{40,}}"),
    Secret("Airtable", "key", _ALNUM, 14, 14, is_mixed=True),
    _patterned("Asana", "0/ 1/ 2/", r"(?:[0-9/]{10,50}:)?[0-9a-f]{32}" + _END),
    Secret("Dropbox", "sl.", _DOTTED, 60),
    Secret("Postman", "PMAK-", "A-Za-z0-9-", 40),
    Secret("ReadMe", "rdme_", "a-z0-9", 40),
    Secret("Frame.io", "fio-u-", _DOTTED, 40),
    Secret("Adobe", "p8e-", _ALNUM, 32, 32),
    Secret("GitBook", "gb_api_", _ALNUM, 24),
    Secret("42", "s-s4t2ud- s-s4t2af-", _HEX, 40),
    Secret("SettleMint", "sm_aat_ sm_pat_ sm_sat_", _ALNUM, 16),
    Secret("Riot", "RGAPI-", "a-f0-9-", 36),
    Secret("Okta", "00", _WORD, 40, 40, is_mixed=True),
    _patterned("Zoho", "1000.", r"[a-f0-9]{32}\.[a-f0-9]{32}"),
    _patterned("LaunchDarkly", "sdk- api- mob-", _UUID),
    _patterned("ClickUp", "pk_", rf"\d{{5,12}}_[{_UPPER}]{{32}}{_END}"),
    _patterned("Mapbox", "sk. pk. tk.", rf"[{_ALNUM}]{{40,}}\.[{_WORD}]{{20,}}"),
    _patterned(
        "Authress",
        "sc_ ext_ scauth_ authress_",
        r"[a-z0-9]{5,30}\.[a-z0-9]{4,6}\.acc[_-][a-z0-9-]{10,32}\.[\w+/=-]{30,120}",
    ),
    # Any issuer.
    _patterned("JSON Web Token", "eyJ", rf"[{_WORD}]{{8,}}\.[{_WORD}]{{8,}}(?:\.[{_WORD}]*){{0,3}}"),
    _patterned("PASETO", "v1. v2. v3. v4.", rf"(?:local|public)\.[{_WORD}]{{40,}}(?:\.[{_WORD}]*)?"),
    # A word that says what it is, then random characters: the style of many others.
    _patterned(
        "other",
        "sk_ rk_ pat_ secret_ secret- live_ live- token_ apikey_ apikey- sandbox_",
        rf"(?:[A-Za-z0-9]{{1,8}}[_-]){{0,2}}(?=[A-Za-z]*[0-9])[{_ALNUM}]{{20,}}{_END}",
    ),
    _patterned(
        "other",
        "pat- token- key_ key- api_ api- tok_ tok- test_ test- prod_ auth_ access_ oauth_",
        rf"(?:[A-Za-z0-9]{{1,8}}[_-]){{0,2}}(?=(?:[A-Za-z]*[0-9]){{2}})[{_ALNUM}]{{24,}}{_END}",
        is_mixed=True,
    ),
)  # fmt: skip


class Form(NamedTuple):
    """Secrets with a fixed part further in."""

    vendor: str
    fixed_part: str
    #: Of the whole, in characters.
    least: int
    pattern: str


FORMS: Final = (
    Form("Azure", "Q~", 37, rf"(?<![{_ALNUM}])[{_ALNUM}_~.]{{3}}\dQ~[{_ALNUM}_~.-]{{31,34}}(?![{_ALNUM}_~-])"),
    Form("Azure", "JQQJ99", 46, rf"(?<![{_ALNUM}])[{_ALNUM}]{{30,60}}JQQJ99[{_ALNUM}]{{10,40}}"),
    Form("Azure", "AZDO", 68, rf"(?<![{_ALNUM}])[{_ALNUM}]{{60,90}}AZDO[{_ALNUM}]{{4}}(?![{_ALNUM}])"),
    Form(
        "Azure",
        "A",
        41,
        rf"(?<![{_ALNUM}+/])[{_ALNUM}+/]{{33,80}}(?:AzFu|AzSe|AzCa|ACDb|\+AIoT|\+ASbE|\+ACRA|\+ASt|\+AEhS)[{_ALNUM}+/]{{4,9}}={{0,2}}",
    ),
    Form("Terraform", ".atlasv1.", 73, rf"(?<![{_ALNUM}])[{_ALNUM}]{{14}}\.atlasv1\.[{_BASE64}]{{50,}}"),
    Form("Telegram", ":A", 41, rf"(?<!\d)\d{{5,16}}:A[{_WORD}]{{34}}{_END}"),
    Form("Facebook", "|", 43, rf"(?<!\d)\d{{15,16}}\|[{_WORD}]{{27,40}}{_END}"),
    Form("Mailchimp", "-us", 36, rf"(?<![{_ALNUM}])[0-9a-f]{{32}}-us\d{{1,2}}(?!\w)"),
    Form("Mailgun", "-", 50, rf"(?<![{_WORD}])[0-9a-h]{{32}}-[0-9a-h]{{8}}-[0-9a-h]{{8}}{_END}"),
    Form("MaxMind", "_mmk", 40, rf"(?<![{_ALNUM}])[{_ALNUM}]{{6}}_[{_ALNUM}]{{29}}_mmk(?!\w)"),
    Form("New Relic", "NRAL", 24, rf"(?<![{_ALNUM}])(?:[a-z]{{2}}\d\d[a-z]{{2}})?[0-9a-fA-F]{{20,40}}NRAL(?!\w)"),
    Form("Dropbox", "A" * 10, 64, rf"(?<![{_ALNUM}])[{_ALNUM}]{{11}}A{{10}}[{_BASE64}]{{43}}"),
    Form("Salesforce", "!", 76, rf"(?<![{_ALNUM}])00D[{_ALNUM}]{{12,15}}![{_ALNUM}._]{{60,}}"),
    Form("ngrok", "_", 48, rf"(?<![{_ALNUM}])2[{_ALNUM}]{{26}}_[{_ALNUM}]{{20,22}}{_END}"),
    Form("Twitter", "-", 46, rf"(?<![{_ALNUM}-])\d{{15,25}}-(?=[a-z0-9]*[A-Z])[{_ALNUM}]{{30,45}}{_END}"),
    Form("fal", ":", 69, rf"(?<![{_WORD}]){_UUID}:[0-9a-f]{{32}}{_END}"),
    Form("Ghost", ":", 89, rf"(?<![{_WORD}])[0-9a-f]{{24}}:[0-9a-f]{{64}}{_END}"),
)


class Prefixed(NamedTuple):
    """The shapes of one first character."""

    prefixes: tuple[str, ...]
    secrets: tuple[tuple[str, Secret], ...]


def _by_first_character() -> dict[str, Prefixed]:
    found: dict[str, list[tuple[str, Secret]]] = {}
    for secret in SECRETS:
        for prefix in secret.prefixes.split():
            found.setdefault(prefix[0], []).append((prefix, secret))
    return {first: Prefixed(tuple(prefix for prefix, _ in pairs), tuple(pairs)) for first, pairs in found.items()}


BY_FIRST_CHARACTER: Final[Mapping[str, Prefixed]] = _by_first_character()


@functools.cache  # as many as there are shapes
def body_of(secret: Secret) -> re.Pattern[str]:
    """Return the pattern of what follows the prefix."""
    if secret.pattern:
        return re.compile(secret.pattern)
    if secret.most is None:
        return re.compile(f"[{secret.alphabet}]{{{secret.least},}}")
    return re.compile(f"[{secret.alphabet}]{{{secret.least},{secret.most}}}{_END}")


@functools.cache
def pattern_of(form: Form) -> re.Pattern[str]:
    """Return the pattern of a secret of this form."""
    return re.compile(form.pattern)
