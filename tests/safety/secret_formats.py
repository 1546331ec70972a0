"""The formats of secrets that vendors issue, as templates: ``{A36}`` is 36 letters and digits.

``X`` and ``H`` are hexadecimal digits (small, capital), ``D`` digits, ``U`` capitals and digits, ``L`` small letters
and digits, ``M`` letters, ``W`` letters, digits, ``_`` and ``-``, ``B`` base64, ``G`` a UUID. Secrets are built when
the program runs: none stands in the repository.
"""

import random
import re
import string
import uuid
from typing import Final

_ALPHABETS: Final = {
    "A": string.ascii_letters + string.digits,
    "X": "0123456789abcdef",
    "H": "0123456789ABCDEF",
    "D": string.digits,
    "U": string.ascii_uppercase + string.digits,
    "L": string.ascii_lowercase + string.digits,
    "M": string.ascii_letters,
    "W": string.ascii_letters + string.digits + "_-",
    "B": string.ascii_letters + string.digits + "+/",
    "Z": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
}
_PART: Final = re.compile(r"\{([A-Z])(\d*)\}")

#: Vendor family -> the templates of its secrets that have a shape of their own, separated by blanks.
SHAPED: Final = {
    "models": """
        sk-{A48} sk-{A20}T3BlbkFJ{A20} sk-proj-{W74}T3BlbkFJ{W74} sk-svcacct-{W58}T3BlbkFJ{W58}
        sk-admin-{W58}T3BlbkFJ{W58} sk-None-{A20}T3BlbkFJ{A20} sess-{A40} sk-ant-api03-{W93}AA sk-ant-admin01-{W93}AA
        sk-ant-oat01-{W93}AA sk-ant-ort01-{W93}AA sk-ant-sid01-{W86}-{W6}AA sk-or-v1-{X64} sk-{X32} sk-lf-{G}
        sk-helicone-{L7}-{L7}-{L7}-{L7} hf_{M34} api_org_{M34} gsk_{A52} xai-{A80} pplx-{A48} pplx-{X56} r8_{A37}
        fw_{A22} tgp_v1_{W43} tvly-{A32} tvly-dev-{A32} pcsk_{A6}_{A63} nvapi-{W64} csk-{L48} jina_{X32}{A27} pa-{W43}
        llx-{A48} m0-{A40} rpa_{U43} fc-{X32} e2b_{X40} BSA{W27} ak-{A22} as-{A22} esecret_{A26} sk_{X48} sk_car_{A22}
        bce-v3/ALTAK-{A21}/{X40} dtn_{X64} tgp_v1_{W40} ydc-sk-{X16}{A20} hl_sk_{X48} bb_live_{A27}""",
    "observation": """
        lsv2_pt_{X32}_{X10} lsv2_sk_{X32}_{X10} ls__{X32} pylf_v1_us_{A43} pylf_v1_eu_{A43} wandb_v1_{A27}_{A49}
        local-{X40} bt-st-{A48} glc_eyJvIjoi{A80}= glsa_{A32}_{X8} eyJrIjoi{A70}== sntrys_eyJpYXQiO{A90}_{B43}
        sntryu_{X64} NRAK-{U27} NRJS-{X19} NRII-{W32} NRIQ-{W25} {X36}NRAL hcaik_01{L56} hcbik_01{L56}
        dt0c01.{U24}.{U64} dt0s01.{U8}{U16}.{U64} phx_{A43} rootly_{X64} xaat-{G} cxup_{A30} pdus+_0XBPWQQ_{G} u+{A18}
        y_{A18}""",
    "code and builds": """
        ghp_{A36} gho_{A36} ghu_{A36} ghs_{A36} ghr_{A76} github_pat_{A22}_{A59} glpat-{W20} glpat-{W27}.01.{L9}
        gldt-{W20} glrt-{W20} glrt-t1_{W27}.{L2}{L7} glcbt-64_{W20} glptt-{X40} glft-{W20} glimt-{W25} glagent-{W50}
        gloas-{X64} glsoat-{W20} glffct-{W20} GR1348941{W20} BBDC-{B44} ATBB{A32} ATATT3xFfGF0{W170}={H8}
        ATCTT3xFfGN0{W170}={H8} ATTA{X64} sgp_{X40} sgp_{X16}_{X40} sgp_local_{X40} slk_{X64} npm_{A36}
        pypi-AgEIcHlwaS5vcmc{W120} pypi-AgENdGVzdC5weXBpLm9yZw{W120} rubygems_{X48} cio{A32} oy2{L43} CLOJARS_{X60}
        AKCp{A69} cmVmdGtu{A56} dckr_pat_{W27} dckr_oat_{W32} bkua_{X40} CCIPAT_{A22}_{X40} CCIPRJ_{A22}_{X40}
        squ_{X40} sqp_{X40} sqa_{X40} snyk_uat.{X8}.{W100} API-{U26} ico-{A32} pul-{X40} pnu_{A36} pnb_{A36}
        tk-us-{W48} pat.{W22}.{A24}.{A20} perm:{B16}=.{B12}=.{A30} cli-{L28}""",
    "clouds": """
        AKIA{U16} ASIA{U16} ABIA{U16} ACCA{U16} ABSK{B120} bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t{B80}
        IQoJb3JpZ2luX2{B200} FwoGZXIvYXdzE{B200} amzn.mws.{G} amzn1.oa2-cs.v1.{X64} AIza{W35} ya29.{W120}
        ya29.a0{W160} GOCSPX-{W28} 1//0{A1}{W96} AAAA{W7}:APA91b{W134} 6L{A38} {A3}8Q~{A34} {A3}7Q~{A31}
        {A52}JQQJ99{A26} {A76}AZDO{A4} {B76}+ASt{B6}== {A44}AzSe{A6} LTAI{A20} LTAI5t{A18} AKID{A32} AQVN{W36} YC{A38}
        y0_{W55} t1.{W90}.{W86} dop_v1_{X64} doo_v1_{X64} dor_v1_{X64} DO00{U16} HRKU-{G} HRKU-AA{W58} fo1_{W43}
        fm1r_{B150} fm2_{B150} rnd_{A32} nfp_{A36} vcp_{A40} vercel_blob_rw_{A16}_{A30} cfut_{A40}{X8}
        v1.0-{X24}-{X146} SCW{U17} K005{B27} akab-{L16}-{L16} tskey-auth-{A12}CNTRL-{A32} tskey-api-{A12}CNTRL-{A32}
        sha256~{W43} {A14}.atlasv1.{W67} dnkey-{U26}-{U52}""",
    "data": """
        dapi{X32} dapi{X32}-3 dose{X32} sbp_{X40} sb_secret_{W31} napi_{L64} pscale_tkn_{W43} pscale_pw_{W43}
        pscale_oauth_{W43} mdb_sa_sk_{W40} CCDB1_{A22}_{A40} essu_{B60} dbtc_{W40} dbtu_{W40} apify_api_{A36}
        4b1d{A38}""",
    "keepers of secrets": """
        hvs.{W95} hvs.CAES{W24} hvb.{W150} s.{A24} dp.pt.{A43} dp.st.prd.{A43} dp.ct.{A43} dp.sa.{A43}
        A3-{U6}-{U11}-{U5}-{U5}-{U5} A3-{U6}-{U6}-{U5}-{U5}-{U5}-{U5} ops_eyJ{A250} AGE-SECRET-KEY-1{Z58}
        0.{G}.{A30}:{B22}==""",
    "money and goods": """
        sk_live_{A24} sk_test_{A24} sk_live_51{A97} rk_live_{A24} rk_test_{A99} whsec_{A32} whsec_{B32} sq0atp-{W22}
        sq0csp-{W43} EAAA{W60} shpat_{X32} shpca_{X32} shppa_{X32} shpss_{X32} AQE{A120}
        access_token$production${L16}${X32} access_token$sandbox${L16}${X32} access-sandbox-{G} access-production-{G}
        shippo_live_{X40} shippo_test_{X40} EZAK{A54} EZTK{A54} duffel_live_{W43} duffel_test_{W43}
        FLWSECK_TEST-{X32}-X FLWSECK-{X32}-X ramp_sec_{A48} pdl_live_apikey_{L26}_{A22}_{A3} rzp_live_{A14} ck_{X40}
        cs_{X40} live_{A35}""",
    "messages": """
        xoxb-{D12}-{D13}-{A24} xoxp-{D12}-{D12}-{D13}-{X32} xoxa-2-{D12}-{A24} xoxr-{D12}-{A24}
        xoxs-{D12}-{D12}-{D12}-{X10} xoxe-1-{A146} xoxe.xoxp-1-{A163} xoxe.xoxb-1-{A163} xoxc-{D12}-{D12}-{D13}-{X64}
        xapp-1-A{U10}-{D13}-{X64} xwfp-{D12}-{A40} https://hooks.slack.com/services/T{U8}/B{U10}/{A24}
        https://discord.com/api/webhooks/{D19}/{W68}
        https://{L8}.webhook.office.com/webhookb2/{G}@{G}/IncomingWebhook/{X32}/{G} MT{A22}.G{A5}.{W38}
        OT{A22}.{W6}.{W27} SK{X32} AC{X32} SG.{W22}.{W43} key-{X32} pubkey-{X32} {X32}-{X8}-{X8} {X32}-us12 {X32}-us6
        xkeysib-{X64}-{A16} mlsn.{X64} re_{A8}_{A24} dG9rO{A55}= KEY0{U32}_{A22} {D10}:AA{W33} {D8}:AA{W33} EAAC{A120}
        EAAG{A150} {D16}|{W27} AAAAAAAAAAAAAAAAAAAAAA{A80} {D19}-{A40} oauth:{L30}""",
    "work": """
        secret_{A43} ntn_{D11}{A35} lin_api_{A40} lin_oauth_{X64} figd_{W40} CFPAT-{W43} tfp_{W44}_{W14} pat-na1-{G}
        pat-eu1-{G} pat{A14}.{X64} 1/{D16}:{X32} 2/{D16}/{D16}:{X32} sl.{W135} sl.u.{W200} {A11}AAAAAAAAAA{W43}
        PMAK-{X24}-{X34} rdme_{L70} fio-u-{W64} p8e-{A32} gb_api_{A40} s-s4t2ud-{X64} sm_pat_{A16} RGAPI-{G} 00{W40}
        1000.{X32}.{X32} sdk-{G} pk_{D8}_{U32} sk.{A60}.{A22} {A6}_{A29}_mmk 00D{A12}!AQ{A80}""",
    "tokens and keys of any issuer": """
        eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI{A40}.{W43} eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJ{A120}.{W342}
        https://{A40}@host.example/x https://bob:{A16}@host.example/x postgres://app:{A12}@db.example/x
        redis://:{A20}@cache.example:6379/0 amqp://user:{A14}@mq.example//""",
}  # fmt: skip

#: Secrets that only a key names: the keys, and the template of the value.
NAMED: Final = (
    ("DD_API_KEY", "{X32}"), ("DATADOG_APP_KEY", "{X40}"), ("AWS_SECRET_ACCESS_KEY", "{B40}"),
    ("TWILIO_AUTH_TOKEN", "{X32}"), ("ALGOLIA_ADMIN_KEY", "{X32}"), ("CLOUDFLARE_API_KEY", "{X37}"),
    ("CF_API_TOKEN", "{W40}"), ("COHERE_API_KEY", "{A40}"), ("MISTRAL_API_KEY", "{A32}"),
    ("WANDB_API_KEY", "{X40}"), ("AZURE_OPENAI_KEY", "{X32}"), ("SNYK_TOKEN", "{G}"), ("CODECOV_TOKEN", "{G}"),
    ("RAILWAY_TOKEN", "{G}"), ("HEROKU_API_KEY", "{G}"), ("FASTLY_API_TOKEN", "{W32}"), ("MYSQL_PWD", "{A12}"),
    ("PGPASSWORD", "{A14}"), ("DB_PASSWORD", "{A16}"), ("SECRET_KEY_BASE", "{X128}"), ("JWT_SECRET", "{A32}"),
    ("SESSION_SECRET", "{A24}"), ("ENCRYPTION_KEY", "{B43}="), ("MASTER_KEY", "{X32}"), ("WEBHOOK_SECRET", "{A20}"),
    ("client_secret", "{W40}"), ("refresh_token", "{W64}"), ("accessToken", "{A48}"), ("apiKey", "{A32}"),
    ("dbPassword", "{A10}"), ("x-api-key", "{A40}"), ("X-Auth-Key", "{X37}"), ("private-token", "{W20}"),
    ("client-key-data", "{B80}=="), ("AccountKey", "{B86}=="), ("SharedAccessKey", "{B43}="), ("Password", "{A12}"),
    ("subscription-key", "{X32}"), ("passphrase", "{A18}"), ("ZENDESK_API_TOKEN", "{A40}"),
    ("LINKEDIN_CLIENT_SECRET", "{A16}"), ("OKTA_API_TOKEN", "{W42}"),
)  # fmt: skip

#: What surrounds a secret with a shape of its own.
AROUND_SHAPED: Final = (
    "{}", "use {} for the upload, please", '{{"value": "{}"}}', "https://api.example/v1?x=1&v={}", "X-Custom: {}",
    "deploy --with {} --now", "export VALUE={}", "value: {}\nother: 1", "'{}'", "({}), and then", "a\n{}\nb",
)  # fmt: skip
#: What surrounds a key and its secret.
AROUND_NAMED: Final = (
    "{0}={1}", "export {0}={1}", "{0}: {1}", '"{0}": "{1}"', "{0} = '{1}'", '{{"a": 1, "{0}": "{1}", "b": 2}}',
    "-e {0}={1} image", "https://api.example/x?a=1&{0}={1}&b=2", "run --{0} {1} --fast", "a: 1\n{0}: {1}\nb: 2",
    "Server=db;{0}={1};Timeout=3",
)  # fmt: skip


def made(template: str, source: random.Random) -> str:
    """Return a secret of *template*, with random characters of *source*."""

    def part(match: re.Match[str]) -> str:
        kind, count = match[1], int(match[2] or 1)
        if kind == "G":
            return str(uuid.UUID(int=source.getrandbits(128), version=4))
        return "".join(source.choice(_ALPHABETS[kind]) for _ in range(count))

    return _PART.sub(part, template)
