//! Answers as HTTP has them: status, headers, body. Knows nothing of what they say.

use super::crowd::InRequest;
use super::problem::Problem;
use super::route;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http_body_util::{Either, Full, StreamBody};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue,
    ORIGIN, VARY, WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde::Serialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The type of what is JSON.
pub(crate) const JSON: &str = "application/json";

/// Seconds for which a browser need not ask again whether it may.
const PREFLIGHT_SECONDS: &str = "600";

/// A body, here at once or coming piece by piece.
pub(crate) type Content = Either<Full<Bytes>, StreamBody<Pieces>>;

/// A body that comes piece by piece.
type Pieces = BoxStream<'static, Result<Frame<Bytes>, Infallible>>;

/// An answer.
pub(crate) type Answer = Response<Content>;

/// Done, nothing to say.
pub(crate) fn done() -> Answer {
    Response::new(Either::Left(Full::default()))
}

/// A text of this type.
pub(crate) fn text(content_type: &'static str, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(text.into())));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// A value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(bytes) => text(JSON, bytes),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            let mut answer = done();
            *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            answer
        }
    }
}

/// Events as they come.
pub(crate) fn events(pieces: BoxStream<'static, Bytes>) -> Answer {
    let frames = pieces.map(|piece| Ok(Frame::data(piece))).boxed();
    let mut answer = Response::new(Either::Right(StreamBody::new(frames)));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    answer
}

/// What went wrong, for programs and for people.
fn words(problem: &Problem) -> impl Serialize + use<> {
    #[derive(Serialize)]
    struct Outer {
        error: Inner,
    }
    #[derive(Serialize)]
    struct Inner {
        code: &'static str,
        message: String,
    }
    Outer { error: Inner { code: problem.kind().1, message: problem.to_string() } }
}

/// What went wrong, to whoever is not even asked what they want. The connection ends with it.
pub(crate) fn in_short(problem: &Problem) -> String {
    let status = problem.kind().0;
    let body = serde_json::to_string(&words(problem)).unwrap_or_default();
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: {JSON}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// What went wrong, as JSON.
pub(crate) fn problem(problem: &Problem) -> Answer {
    let (status, _) = problem.kind();
    let mut answer = json(&words(problem));
    *answer.status_mut() = status;
    if let Problem::WrongMethod { allow } = problem {
        answer.headers_mut().extend(HeaderValue::from_str(allow).ok().map(|allow| (ALLOW, allow)));
    }
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

/// Whether a browser asks whether a page may ask.
pub(crate) fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(ORIGIN)
        && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a browser that asks whether a page may ask, if that is what this is. Whether the page may at all has been
/// decided.
///
/// # Errors
/// There is no such path.
pub(crate) fn preflight(parts: &Parts) -> Result<Option<Answer>, Problem> {
    if !is_preflight(parts) {
        return Ok(None);
    }
    let (route, _) = route::at(parts.uri.path())?;
    let mut answer = done();
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.extend(
        HeaderValue::from_str(&route.allow()).ok().map(|allow| (ACCESS_CONTROL_ALLOW_METHODS, allow)),
    );
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_SECONDS));
    Ok(Some(answer))
}

/// Adds what every answer has. A page that was let in may read it.
pub(crate) fn finish(parts: &Parts, admitted: bool, answer: &mut Answer) {
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = parts.headers.get(ORIGIN).filter(|_| admitted) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
}

/// A body that counts as a request in progress until it is written.
#[derive(Debug)]
pub(crate) struct Held<B> {
    body: B,
    _request: InRequest,
}

impl Held<Content> {
    pub(crate) fn new(body: Content, mut request: InRequest) -> Self {
        if matches!(body, Either::Right(_)) {
            request.is_endless();
        }
        Self { body, _request: request }
    }
}

impl<B: Body + Unpin> Body for Held<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
