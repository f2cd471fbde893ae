"""A DICOMweb server in memory: as much of PS3.18 as it takes to find, fetch and store series.

GET  /series?Modality=CT,MR              QIDO-RS  series with one of these values, as DICOM JSON
GET  /studies/S/series/U                 WADO-RS  instances, as multipart/related
GET  /studies/S/series/U/metadata        WADO-RS  instances without pixels, as DICOM JSON
POST /studies                            STOW-RS  instances, as multipart/related
"""

import json
import re
from collections import defaultdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from threading import Thread
from urllib.parse import parse_qsl, urlsplit

from pydicom import Dataset, dcmread

BOUNDARY = "a-boundary-of-parts"
DICOM_JSON = "application/dicom+json"
# what a search for series answers for each
OF_A_SERIES = (
    "StudyDate",
    "StudyTime",
    "Modality",
    "SeriesDescription",
    "PatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
)


class DicomWebServer:
    """In a thread of this process, from `with` to its end."""

    def __init__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.store = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/dicom-web"
        self._files = defaultdict(dict)

    def __enter__(self):
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def add(self, content):
        """One DICOM file as bytes; returns its data set."""
        dataset = dcmread(BytesIO(content))
        self._files[dataset.SeriesInstanceUID][dataset.SOPInstanceUID] = content
        return dataset

    def files(self, series_uid):
        return list(self._files.get(series_uid, {}).values())

    def series(self, **wanted):
        """A data set of each series whose attributes, by keyword, have these values or one of those between commas."""
        for files in list(self._files.values()):
            dataset = dcmread(BytesIO(next(iter(files.values()))), stop_before_pixels=True)
            if all(str(dataset.get(key)) in value.split(",") for key, value in wanted.items()):
                yield dataset


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        address = urlsplit(self.path)
        match address.path.removeprefix("/dicom-web").strip("/").split("/"):
            case ["series"]:
                found = self.server.store.series(**dict(parse_qsl(address.query)))
                self.answer_json([self.description(dataset) for dataset in found])
            case ["studies", _, "series", uid] if files := self.server.store.files(uid):
                self.answer(_join(files), f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"')
            case ["studies", _, "series", uid, "metadata"] if files := self.server.store.files(uid):
                headers = [dcmread(BytesIO(file), stop_before_pixels=True) for file in files]
                self.answer_json([header.to_json_dict() for header in headers])
            case _:
                self.send_error(HTTPStatus.NOT_FOUND)

    def do_POST(self):
        if not self.path.rstrip("/").endswith("/studies"):
            return self.send_error(HTTPStatus.NOT_FOUND)
        if "Content-Length" not in self.headers:
            return self.send_error(HTTPStatus.LENGTH_REQUIRED)
        content = self.rfile.read(int(self.headers["Content-Length"]))
        stored = Dataset()
        stored.ReferencedSOPSequence = []
        for part in _split(content, self.headers["Content-Type"]):
            dataset, item = self.server.store.add(part), Dataset()
            item.ReferencedSOPClassUID = dataset.SOPClassUID
            item.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
            item.RetrieveURL = f"{self.address(dataset)}/instances/{dataset.SOPInstanceUID}"
            stored.ReferencedSOPSequence.append(item)
        return self.answer_json(stored.to_json_dict())

    def address(self, dataset):
        return f"{self.server.store.url}/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"

    def description(self, dataset):
        found = Dataset()
        for keyword in OF_A_SERIES:
            if keyword in dataset:
                found[keyword] = dataset[keyword]
        found.RetrieveURL = self.address(dataset)
        return found.to_json_dict()

    def answer_json(self, content):
        self.answer(json.dumps(content).encode(), DICOM_JSON)

    def answer(self, body, content_type):
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Quiet."""


def _join(files):
    head = f"\r\n--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    return b"".join(head + file for file in files) + f"\r\n--{BOUNDARY}--\r\n".encode()


def _split(content, content_type):
    boundary = re.search(r'boundary="?([^";]+)', content_type)[1].encode()
    # the piece before the first boundary and that behind the last are no parts
    for piece in (b"\r\n" + content).split(b"\r\n--" + boundary)[1:-1]:
        yield piece.split(b"\r\n\r\n", 1)[1]
