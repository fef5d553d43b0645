// As https://uppy.io/docs/dashboard/ and https://uppy.io/docs/tus/ have it; every option that is not named is the default.
import Uppy from '@uppy/core';
import Dashboard from '@uppy/dashboard';
import Tus from '@uppy/tus';
import '@uppy/core/css/style.min.css';
import '@uppy/dashboard/css/style.min.css';

new Uppy().use(Dashboard, { target: '#dashboard', inline: true }).use(Tus, { endpoint: '/files/' });
