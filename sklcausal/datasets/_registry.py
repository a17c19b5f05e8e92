"""Checksums and canonical addresses of the data sets that are downloaded."""

# SPDX-License-Identifier: BSD-3-Clause

# sha256 of the prepared files, by file name
PREPARED = {
    "ihdp_10.npz": "cd18d366ba02aa19803ce42e117b3fc757bf2678dfb50ac5b10ef46abbc46fca",
    "acic2016_5.npz": "0f0804272169a38e9a8ec731a4e0f4c3ca7dba2392b8381c4d8e26a25af971fa",
    "twins_shalit.npz": "9207e5765dc789f48bcb1fb2f87e84e0afdc9c93c43fa933db6adbc0108aaee4",
    "lalonde.npz": "f5cfde94ba757cde6170e3972ef9139005c8f10a465d8f04f19b996474573c57",
    "jobs_dw_bin.npz": "bea631120dbffef13f955947f809ef6d1ae039c8f92346f30c3d460fff830f32",
    "hillstrom.npz": "57c73ec2d597a304ca0f59bcf05fc01a772246f4311102b304ea999ba089dcf1",
    "social_pressure.npz": "bc32dad1c3e858e71c50ed8551998931d9d2747c45714eec6c8c9af507fab6e0",
    "oj.npz": "9b2cc6e579d2933d7b58e688e4472cb6c81dbafaee34370b02f4cd711ea0e14a",
    "actg175.npz": "9f74ff2909617ac720176a63ce7d940dc136dfa3458016c10ea2642f6bc0bcd2",
}

_GITHUB = "https://raw.githubusercontent.com/"

# (folder in the data home, file name) -> (address, sha256)
RAW = {
    ("ihdp", "ihdp_npci_1.csv"): (
        _GITHUB
        + "AMLab-Amsterdam/CEVAE/9081f863e24ce21bd34c8d6a41bf0edc7d1b65dd/"
        + "datasets/IHDP/csv/ihdp_npci_1.csv",
        "2bdc8b94fdf2f669b1d3d49325fd9359d88418566545003867841312a1653411",
    ),
    ("twins", "Final_data_twins.csv"): (
        _GITHUB
        + "shalit-lab/Benchmarks/12e83e7b93f480c2fe69043043c1fb3d8bc1d442/"
        + "Twins/Final_data_twins.csv",
        "0262c41d518c582d56591186a54455254ff641973bf627c74abdca2a89a2b9d0",
    ),
    ("acic2016", "x.csv"): (
        _GITHUB
        + "BiomedSciAI/causallib/803a4d34eaf09980258b498631d6af15017528dc/"
        + "causallib/datasets/data/acic_challenge_2016/x.csv",
        "0d6387ad45d23e54b11cbf967248fb68ad5e578db80d193208b8b4c98b1ed0c1",
    ),
    ("acic2016", "zymu_1.csv"): (
        _GITHUB
        + "BiomedSciAI/causallib/803a4d34eaf09980258b498631d6af15017528dc/"
        + "causallib/datasets/data/acic_challenge_2016/zymu_1.csv",
        "002fad96bb55d54edec08a0af46ef4f8ad69e0cfe6294ab48f351f22976a6e76",
    ),
    ("acic2016", "zymu_2.csv"): (
        _GITHUB
        + "BiomedSciAI/causallib/803a4d34eaf09980258b498631d6af15017528dc/"
        + "causallib/datasets/data/acic_challenge_2016/zymu_2.csv",
        "bc3a03bb461bb1629add09c01dfc77053cf36e8faf8e48a7645b35ddb4005d1c",
    ),
    ("acic2016", "zymu_3.csv"): (
        _GITHUB
        + "BiomedSciAI/causallib/803a4d34eaf09980258b498631d6af15017528dc/"
        + "causallib/datasets/data/acic_challenge_2016/zymu_3.csv",
        "8090562d3fcf5a3b02ff5493592a2880b95b106e1c12e2c3a6e6c28ae8468ff6",
    ),
    ("acic2016", "zymu_4.csv"): (
        _GITHUB
        + "BiomedSciAI/causallib/803a4d34eaf09980258b498631d6af15017528dc/"
        + "causallib/datasets/data/acic_challenge_2016/zymu_4.csv",
        "61b405c545a451b7e2ce31614150834f94aa4b27069e2755876ed6e11cfee5fd",
    ),
    ("acic2016", "zymu_5.csv"): (
        _GITHUB
        + "BiomedSciAI/causallib/803a4d34eaf09980258b498631d6af15017528dc/"
        + "causallib/datasets/data/acic_challenge_2016/zymu_5.csv",
        "e350ac76d0b8e83f45f7f04a4b76b9a32a0d53098452075617e61ce62ad0463a",
    ),
    ("acic2016", "zymu_6.csv"): (
        _GITHUB
        + "BiomedSciAI/causallib/803a4d34eaf09980258b498631d6af15017528dc/"
        + "causallib/datasets/data/acic_challenge_2016/zymu_6.csv",
        "a059950f0b51056660364eca14524a3d3254f93c608d8a1df9240c2c4179a7b5",
    ),
    ("acic2016", "zymu_7.csv"): (
        _GITHUB
        + "BiomedSciAI/causallib/803a4d34eaf09980258b498631d6af15017528dc/"
        + "causallib/datasets/data/acic_challenge_2016/zymu_7.csv",
        "ac102c3f34680ff901c30fb95985297eea0f20efaf02108f287ceec60b6a2a1f",
    ),
    ("acic2016", "zymu_8.csv"): (
        _GITHUB
        + "BiomedSciAI/causallib/803a4d34eaf09980258b498631d6af15017528dc/"
        + "causallib/datasets/data/acic_challenge_2016/zymu_8.csv",
        "bbcde6ad666640adcd39fd50cab00865d22b5c463ce9db6d0940d8eccd5afcf3",
    ),
    ("acic2016", "zymu_9.csv"): (
        _GITHUB
        + "BiomedSciAI/causallib/803a4d34eaf09980258b498631d6af15017528dc/"
        + "causallib/datasets/data/acic_challenge_2016/zymu_9.csv",
        "02663b776fa87cd3d91ee7871e98c1b4d63579957b12ef9bb1ecf367b7afc366",
    ),
    ("acic2016", "zymu_10.csv"): (
        _GITHUB
        + "BiomedSciAI/causallib/803a4d34eaf09980258b498631d6af15017528dc/"
        + "causallib/datasets/data/acic_challenge_2016/zymu_10.csv",
        "c8ee8ca537ef4315a0ee5753bd01d792a1b3cdacb1fd69e1288b2bb89944d1b7",
    ),
    ("lalonde", "nsw.dta"): (
        _GITHUB
        + "bradyneal/realcause/7411cc26f10d750aa011b25f2a46cb572d8b8540/"
        + "datasets/nsw.dta",
        "3ee014cb0010e2e7fb990ac497f4217968733e2c9abfa4de84e83f524898c24e",
    ),
    ("lalonde", "nsw_dw.dta"): (
        _GITHUB
        + "bradyneal/realcause/7411cc26f10d750aa011b25f2a46cb572d8b8540/"
        + "datasets/nsw_dw.dta",
        "d1bd2680a1c6f799f1c6d2455bf29633fdf19be01cb19490621c20a560b4e072",
    ),
    ("lalonde", "psid_controls.dta"): (
        _GITHUB
        + "bradyneal/realcause/7411cc26f10d750aa011b25f2a46cb572d8b8540/"
        + "datasets/psid_controls.dta",
        "7beebae8928035d6abf662b994ce77a4fbea7ae6575037ff94e92fe099b43e14",
    ),
    ("lalonde", "psid_controls2.dta"): (
        _GITHUB
        + "bradyneal/realcause/7411cc26f10d750aa011b25f2a46cb572d8b8540/"
        + "datasets/psid_controls2.dta",
        "799a1178376177359c4e6421c973201fbe03590da71f5fe6ed2abfee53427a3e",
    ),
    ("lalonde", "psid_controls3.dta"): (
        _GITHUB
        + "bradyneal/realcause/7411cc26f10d750aa011b25f2a46cb572d8b8540/"
        + "datasets/psid_controls3.dta",
        "20a2b0ce7237c36135530e09d9bf9b2470fe816d00d49d11d659ec5350ffd322",
    ),
    ("lalonde", "cps_controls.dta"): (
        _GITHUB
        + "bradyneal/realcause/7411cc26f10d750aa011b25f2a46cb572d8b8540/"
        + "datasets/cps_controls.dta",
        "80f0123eaf723870bd060ba9f8569617a7cb519a462dc20badbfb3443cd8374b",
    ),
    ("lalonde", "cps_controls2.dta"): (
        _GITHUB
        + "bradyneal/realcause/7411cc26f10d750aa011b25f2a46cb572d8b8540/"
        + "datasets/cps_controls2.dta",
        "7f1090da18d27d308ffaef9ba509ed040441c9bfd84ccf693c4d97f5c078abeb",
    ),
    ("lalonde", "cps_controls3.dta"): (
        _GITHUB
        + "bradyneal/realcause/7411cc26f10d750aa011b25f2a46cb572d8b8540/"
        + "datasets/cps_controls3.dta",
        "74fda0885a8ea7872adc41609d9edbf54d5cba3d5c494412e6ad6186afbc7352",
    ),
    ("jobs", "jobs_DW_bin.train.npz"): (
        _GITHUB
        + "d909b/perfect_match/37673e0d8b4029e734a9bf2a4a164e06a8105b84/"
        + "perfect_match/data_access/jobs/jobs_DW_bin.train.npz",
        "5423b107625a72e956618a2b5c119f2ee0f3c4cee4b68e156d8fb215fece80bd",
    ),
    ("jobs", "jobs_DW_bin.test.npz"): (
        _GITHUB
        + "d909b/perfect_match/37673e0d8b4029e734a9bf2a4a164e06a8105b84/"
        + "perfect_match/data_access/jobs/jobs_DW_bin.test.npz",
        "613797660e3ca2d2d81267a6776ae754d527cd893c7df7a52de5d4f642663af2",
    ),
    ("jobs", "jobs_DW_bin.new.10.test.npz"): (
        _GITHUB
        + "NotDevinLe/cevae/00a0246718c88bf4c2d3145583e96074f94e309e/"
        + "datasets/jobs/jobs_DW_bin.new.10.test.npz",
        "11c198167ef322af50e48eb9d48857d6a76d8dea5eadfb2d60d4a82a6357e39f",
    ),
    ("hillstrom", "hillstorm_Complete_NotDisc.csv"): (
        _GITHUB
        + "UData-Orange/kuplift/78d44266588aa8581c826bf0a3a3ebaa62639d3a/"
        + "data/hillstorm_Complete_NotDisc.csv",
        "00a6a868e05a9ffe7382da51629f6d6dce88c5acfc945e79d314ebc78fd3a2c0",
    ),
    ("oj", "oj.csv"): (
        _GITHUB + "TaddyLab/BDS/1191b354a7b6e5dafd16de863eeb84267d693b9e/examples/oj.csv",
        "d56ca64f98c48e6a59de610caf70f58bd3ef18c64b49189fdb2649fbeeeb4de3",
    ),
    ("actg175", "ACTG175.txt"): (
        _GITHUB + "cran/speff2trial/9fa954e262daa0dd8d078d8a843537467f7603df/data/ACTG175.txt",
        "7b52e6b3701a1f24090ef0388f1c148d5286450f97276d9c8fbe611ce0c76779",
    ),
}
