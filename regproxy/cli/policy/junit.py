"""Results of policy tests as JUnit XML: one suite a policy, one case a test."""

import re
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from regproxy.policy.diagnostic import Diagnostic, render
from regproxy.rehearsal.scenarios import Result

# Section 2.2 of XML 1.0: a policy may hold such characters, an XML text cannot, not even escaped.
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(suites: Iterable[tuple[str, Sequence[Diagnostic], Sequence[Result]]]) -> bytes:
    """The whole report, UTF-8; a policy that does not load is one case with an error."""
    root = Element("testsuites")
    for name, findings, results in suites:
        errors = "1" if findings else "0"
        failed = str(sum(not result.passed for result in results))
        suite = SubElement(root, "testsuite", name=name, tests=str(len(results)), failures=failed, errors=errors)
        if findings:
            case = SubElement(suite, "testcase", classname=name, name="the policy loads")
            first = next(finding for finding in findings if finding.is_error)
            message = f"{first.code}: {first.sentence}"
            SubElement(case, "error", message=message).text = "\n".join(render(finding) for finding in findings)
        for result in results:
            _case(suite, name, result)
    indent(root)
    whole = _NOT_IN_XML.sub("?", tostring(root, encoding="unicode"))
    return f"<?xml version='1.0' encoding='utf-8'?>\n{whole}\n".encode()


def _case(suite: Element, name: str, result: Result) -> None:
    span = result.scenario.span
    case = SubElement(suite, "testcase", classname=name, name=result.scenario.name)
    case.set("file", span.source.name)
    case.set("line", str(span.line))
    for failure in result.failures:
        told = SubElement(case, "failure", message=failure.sentence)
        told.text = f"{failure.span.source.name}:{failure.span.line}: {failure.span.text}"
