declare module 'sockjs-client/dist/sockjs.js' {
  export { default } from 'sockjs-client';
}
