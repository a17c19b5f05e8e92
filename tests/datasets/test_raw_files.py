"""Tests of the reading of raw files, on small files of the same form."""

# SPDX-License-Identifier: BSD-3-Clause

from pathlib import Path

import numpy as np
import pytest

from sklcausal.datasets import (
    fetch_acic2016,
    fetch_actg175,
    fetch_hillstrom,
    fetch_ihdp,
    fetch_jobs,
    fetch_lalonde,
    fetch_oj,
    fetch_social_pressure,
    fetch_twins,
)

SOCIAL_FILE = "GerberGreenLarimer_APSR_2008_social_pressure.csv"


@pytest.fixture
def serve(monkeypatch):
    """Replace the download by functions that write the files, by file name."""
    pooch = pytest.importorskip("pooch")
    writers = {}
    calls = []

    def retrieve(url, known_hash, fname, path):
        assert known_hash.startswith("sha256:")
        assert url.endswith("/" + fname)
        calls.append(fname)
        Path(path).mkdir(parents=True, exist_ok=True)
        writers[fname](Path(path) / fname)
        return str(Path(path) / fname)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    writers["calls"] = calls
    return writers


def write_csv(header, rows):
    def write(path):
        lines = ([header] if header else []) + [",".join(str(v) for v in row) for row in rows]
        path.write_text("\n".join(lines) + "\n")

    return write


def test_ihdp_raw(serve):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(30, 6)).round(6), rng.integers(0, 2, size=(30, 19))])
    T = np.arange(30) % 2
    rows = np.column_stack([T, np.zeros((30, 4)), X]).tolist()
    serve["ihdp_npci_1.csv"] = write_csv(None, rows)
    data = fetch_ihdp(3)
    np.testing.assert_array_equal(data.X, X)
    np.testing.assert_array_equal(data["T"], T)
    assert data.effect[T == 1].mean() == pytest.approx(4.0)


def test_acic2016_raw(serve):
    names = ",".join(f'"x_{column}"' for column in range(1, 59))
    row = [str(column) for column in range(1, 59)]
    rows = []
    for letters in ("CJB", "APE"):
        row[1], row[20], row[23] = (f'"{letter}"' for letter in letters)
        rows.append(list(row))
    serve["x.csv"] = write_csv(names, rows)
    drawn = [[0, 1.5, 2.5, 1.25, 2.75], [1, 3.5, 4.5, 3.25, 4.75]]
    serve["zymu_9.csv"] = write_csv('"z","y0","y1","mu0","mu1"', drawn)
    data = fetch_acic2016(setting=9)
    np.testing.assert_array_equal(
        data.X[:, [0, 1, 20, 23, 57]], [[1, 2, 9, 1, 58], [1, 0, 15, 4, 58]]
    )
    np.testing.assert_array_equal(data["T"], [0, 1])
    np.testing.assert_array_equal(data.y, [1.5, 4.5])
    np.testing.assert_array_equal(data.ycf, [2.5, 3.5])
    np.testing.assert_array_equal(data.effect, [1.5, 1.5])
    assert data.propensity is None


def test_twins_raw(serve):
    pytest.importorskip("pandas")
    header = ",T,y0,y1,yf,y_cf,bord,Propensity,dmar"
    rows = [[0, 1, 0, 1, 1.0, 0.0, 7, 0.75, 1], [1, 0, 0, 1, 0.0, 1.0, 8, 0.25, 0]]
    serve["Final_data_twins.csv"] = write_csv(header, rows)
    data = fetch_twins()
    assert data.feature_names == ["bord", "dmar"]
    np.testing.assert_array_equal(data.X, [[7, 1], [8, 0]])
    np.testing.assert_array_equal(data.y, [1, 0])
    np.testing.assert_array_equal(data.ycf, [0, 1])
    np.testing.assert_array_equal(data.propensity, [[0.25, 0.75], [0.75, 0.25]])


def test_lalonde_raw(serve):
    pd = pytest.importorskip("pandas")
    columns = ["treat", "age", "education", "black", "hispanic", "married", "nodegree"]
    money = ["re74", "re75", "re78"]

    def write(treat, drop):
        def to_stata(path):
            rows = [[t, 20 + i, 10, 1, 0, 0, 1, 5.5, 6.5, 100.0 * i] for i, t in enumerate(treat)]
            frame = pd.DataFrame(rows, columns=columns + money).drop(columns=drop)
            frame.insert(0, "data_id", "sample")
            frame.to_stata(path, write_index=False)

        return to_stata

    serve["nsw_dw.dta"] = write([1, 1, 0, 0], [])
    serve["nsw.dta"] = write([1, 0, 1, 0], ["re74"])
    serve["cps_controls.dta"] = write([0, 0, 0], [])
    data = fetch_lalonde("cps")
    np.testing.assert_array_equal(data["T"], [1, 1, 0, 0, 0])
    np.testing.assert_array_equal(data.y, [0, 100, 0, 100, 200])
    assert data.att_benchmark == -200.0
    full = fetch_lalonde("nsw_full")
    assert full.X.shape == (4, 7)
    assert np.isfinite(full.X).all()
    assert serve["calls"] == ["nsw_dw.dta", "cps_controls.dta", "nsw.dta"]


@pytest.fixture
def jobs_table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 17))
    X[7] = X[2]  # two equal men
    T = np.arange(12) % 3 == 0
    return np.column_stack([X, T, np.arange(12) % 2 == 0, np.ones(12)]) * np.ones((12, 20))


def write_jobs(serve, table, splits):
    def write(rows):
        def savez(path):
            parts = {"t": rows[:, 17:18], "yf": rows[:, 18:19], "e": rows[:, 19:20]}
            np.savez(path, x=rows[:, :17, None], **parts)

        return savez

    serve["jobs_DW_bin.train.npz"] = write(table[:9])
    serve["jobs_DW_bin.test.npz"] = write(table[9:])
    chosen = np.stack([table[rows] for rows in splits], axis=-1)
    parts = {"t": chosen[:, 17], "yf": chosen[:, 18], "e": chosen[:, 19]}
    serve["jobs_DW_bin.new.10.test.npz"] = lambda path: np.savez(path, x=chosen[:, :17], **parts)


def test_jobs_raw(serve, jobs_table):
    jobs_table[7] = jobs_table[2]
    splits = [[11, 0, 3], [7, 2, 5]]
    write_jobs(serve, jobs_table, splits)
    data = fetch_jobs()
    np.testing.assert_array_equal(data.X, jobs_table[:, :17].astype(np.float32))
    np.testing.assert_array_equal(data["T"], jobs_table[:, 17])
    np.testing.assert_array_equal(data.test_idx, [[0, 3, 11], [2, 5, 7]])


def test_jobs_raw_unknown_row(serve, jobs_table):
    write_jobs(serve, jobs_table, [[0, 1]])
    write_other = serve["jobs_DW_bin.new.10.test.npz"]
    write_jobs(serve, jobs_table + 1.0, [[0, 1]])
    serve["jobs_DW_bin.new.10.test.npz"] = write_other
    with pytest.raises(ValueError, match="must be a row of the data, got 2 that are not"):
        fetch_jobs()


def test_hillstrom_raw(serve):
    pytest.importorskip("pandas")
    header = (
        "recency,history_segment,history,mens,womens,zip_code,newbie,channel,segment,visit,"
        "conversion,spend"
    )
    rows = [
        [10, "2) $100 - $200", 142.44, 1, 0, "Surburban", 0, "Phone", "Womens E-Mail", 0, 0, 0.0],
        [6, '"7) $1,000 +"', 329.08, 1, 1, "Rural", 1, "Web", "No E-Mail", 1, 1, 29.99],
    ]
    serve["hillstorm_Complete_NotDisc.csv"] = write_csv(header, rows)
    data = fetch_hillstrom("all")
    np.testing.assert_array_equal(data.X[:, [0, 1, 5, 7]], [[10, 1, 1, 1], [6, 6, 0, 2]])
    np.testing.assert_array_equal(data["T"], [2, 0])
    np.testing.assert_allclose(data.y, [[0, 0, 0], [1, 1, 29.99]], rtol=1e-6)


def test_oj_raw(serve):
    pytest.importorskip("pandas")
    rows = [[64, 2.5, "tropicana", 0], [128, 1.0, "dominicks", 1], [1, 2.0, "minute.maid", 0]]
    serve["oj.csv"] = write_csv("sales,price,brand,feat", rows)
    data = fetch_oj()
    np.testing.assert_array_equal(data.X, [[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    np.testing.assert_allclose(data["T"], np.log([2.5, 1.0, 2.0]), rtol=1e-6)
    np.testing.assert_allclose(data.price, [2.5, 1.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(data.y, np.log([64, 128, 1]), rtol=1e-6)
    assert data.brand.tolist() == ["tropicana", "dominicks", "minute.maid"]


@pytest.mark.parametrize(
    ("header", "brand", "message"),
    [
        ("sales,cost,brand,feat", "tropicana", r"columns .*, got .*'cost'.* without \['price'\]"),
        ("sales,price,brand,feat", "other", r"must hold the brands .*, got \['other'\]"),
    ],
)
def test_oj_bad_file(serve, header, brand, message):
    pytest.importorskip("pandas")
    serve["oj.csv"] = write_csv(header, [[64, 2.5, brand, 0]])
    with pytest.raises(ValueError, match=message):
        fetch_oj()


ACTG_COLUMNS = (
    "pidnum age wtkg hemo homo drugs karnof oprior z30 zprior preanti race gender str2 symptom "
    "treat offtrt cd40 cd420 cd496 r cd80 cd820 cens days arms"
)


def write_actg(header):
    rows = [
        "1 40 70.5 0 1 0 100 0 0 1 0 0 1 0 0 1 0 400 450 NA 0 800 700 0 900 2",
        "2 30 60.25 1 0 1 90 1 1 1 500 1 0 1 1 0 1 300 250 150 1 600 500 1 200 0",
    ]
    return write_csv(header, [[row] for row in rows])


def test_actg175_raw(serve):
    pytest.importorskip("pandas")
    serve["ACTG175.txt"] = write_actg(ACTG_COLUMNS)
    data = fetch_actg175()
    expected = [
        [40, 70.5, 0, 1, 0, 100, 0, 0, 0, 0, 1, 0, 0, 400, 800],
        [30, 60.25, 1, 0, 1, 90, 1, 1, 500, 1, 0, 1, 1, 300, 600],
    ]
    np.testing.assert_array_equal(data.X, expected)
    np.testing.assert_array_equal(data["T"], [2, 0])
    np.testing.assert_array_equal(data.y, [450, 250])
    assert data.y.dtype == np.float64
    np.testing.assert_array_equal(data.cd496, [np.nan, 150])
    np.testing.assert_array_equal(data.days, [900, 200])
    np.testing.assert_array_equal(data.event, [0, 1])


def test_actg175_bad_file(serve):
    pytest.importorskip("pandas")
    serve["ACTG175.txt"] = write_actg(ACTG_COLUMNS.replace("cens", "status"))
    with pytest.raises(ValueError, match=r"must have the columns .*, got .* without \['cens'\]"):
        fetch_actg175()


def social_rows(monkeypatch, home, rows, header=None):
    monkeypatch.setattr("sklcausal.datasets._social_pressure._N_ROWS", 2)
    (home / "social_pressure").mkdir(parents=True)
    header = header or (
        "sex,yob,g2000,g2002,g2004,p2000,p2002,p2004,treatment,cluster,voted,hh_id,hh_size"
    )
    write_csv(header, rows)(home / "social_pressure" / SOCIAL_FILE)


def test_social_pressure_raw(home, monkeypatch):
    pytest.importorskip("pandas")
    rows = [
        ["male", 1941, "yes", "yes", "yes", "no", "yes", "No", " Civic Duty", 1, "No", 8, 2],
        ["female", 1947, "no", "yes", "yes", "no", "no", "Yes", " Neighbors", 1, "Yes", 9, 3],
    ]
    social_rows(monkeypatch, home, rows)
    data = fetch_social_pressure()
    expected = [[0, 1941, 1, 1, 1, 0, 1, 0, 2], [1, 1947, 0, 1, 1, 0, 0, 1, 3]]
    np.testing.assert_array_equal(data.X, expected)
    np.testing.assert_array_equal(data["T"], [1, 4])
    np.testing.assert_array_equal(data.y, [0, 1])
    np.testing.assert_array_equal(data.household, [8, 9])


@pytest.mark.parametrize(
    ("arm", "header", "message"),
    [
        ("Other", None, "must hold yes/no, male/female and the arms .* got other values in"),
        ("Self", "a,b,c,d,e,f,g,h,i,j,k,l,m", r"must have 2 rows and the columns .*got 2 rows"),
    ],
)
def test_social_pressure_bad_file(home, monkeypatch, arm, header, message):
    pytest.importorskip("pandas")
    row = ["male", 1941, "yes", "yes", "yes", "no", "yes", "No", arm, 1, "No", 8, 2]
    social_rows(monkeypatch, home, [row, row], header)
    with pytest.raises(ValueError, match=message):
        fetch_social_pressure()
